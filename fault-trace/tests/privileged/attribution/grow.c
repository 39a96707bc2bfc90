/* Tells by how much the resident memory grew while it touched 300 fresh pages, read the file it is given
   from end to end, and wrote to 20 private pages of it: "PAGES FROM_NS TO_NS", the kernel's own sum
   (smaps_rollup) and CLOCK_MONOTONIC. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { PAGE = 4096 };

static char text[4096];

static long resident_pages(void)
{
	int file = open("/proc/self/smaps_rollup", O_RDONLY);
	ssize_t length = read(file, text, sizeof text - 1);
	close(file);
	if (length <= 0)
		exit(1);
	text[length] = 0;
	return atol(strstr(text, "Rss:") + 4) / 4;
}

static long long now_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ll + now.tv_nsec;
}

int main(int argc, char **argv)
{
	struct stat stat;
	int file = argc > 1 ? open(argv[1], O_RDONLY) : -1;
	if (file < 0 || fstat(file, &stat) != 0)
		return 1;
	volatile char *fresh = mmap(NULL, 300 * PAGE, PROT_READ | PROT_WRITE,
				    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	volatile char *shared = mmap(NULL, stat.st_size, PROT_READ, MAP_SHARED, file, 0);
	volatile char *private = mmap(NULL, stat.st_size, PROT_READ | PROT_WRITE, MAP_PRIVATE, file, 0);
	if (fresh == MAP_FAILED || shared == MAP_FAILED || private == MAP_FAILED)
		return 1;
	/* What measuring itself touches is touched before. */
	resident_pages();
	now_ns();
	long before = resident_pages();
	long long from = now_ns();
	for (long page = 0; page < 300; page++)
		fresh[page * PAGE] = 1;
	for (long at = 0; at < stat.st_size; at += PAGE)
		(void)shared[at];
	for (long page = 0; page < 20; page++)
		private[page * PAGE] = 1;
	long long to = now_ns();
	printf("%ld %lld %lld\n", resident_pages() - before, from, to);
	return 0;
}
