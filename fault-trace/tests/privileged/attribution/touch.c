/* Touches fresh pages from two functions: `few` 300 of them, `many` 1,000, each by way of `touch`. With
 * the name of a file it then runs on until that file is gone. */
#include <stddef.h>
#include <sys/mman.h>
#include <unistd.h>

enum { PAGE = 4096 };

__attribute__((noinline)) static void touch(char *memory, size_t pages)
{
	for (size_t page = 0; page < pages; page++)
		((volatile char *)memory)[page * PAGE] = 1;
}

__attribute__((noinline)) static void few(char *memory)
{
	touch(memory, 300);
	__asm__ volatile("");
}

__attribute__((noinline)) static void many(char *memory)
{
	touch(memory, 1000);
	__asm__ volatile("");
}

int main(int argc, char **argv)
{
	char *memory = mmap(NULL, 1300 * PAGE, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		return 1;
	few(memory);
	many(memory + 300 * PAGE);
	while (argc > 1 && access(argv[1], F_OK) == 0)
		usleep(10000);
	return 0;
}
