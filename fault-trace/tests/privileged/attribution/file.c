/* Maps the file it is given and reads one byte at each offset that follows. */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>

int main(int argc, char **argv)
{
	struct stat stat;
	int file = argc > 1 ? open(argv[1], O_RDONLY) : -1;
	if (file < 0 || fstat(file, &stat) != 0)
		return 1;
	volatile char *bytes = mmap(NULL, stat.st_size, PROT_READ, MAP_SHARED, file, 0);
	if (bytes == MAP_FAILED)
		return 1;
	for (int n = 2; n < argc; n++)
		(void)bytes[strtoul(argv[n], NULL, 0)];
	return 0;
}
