/* getent ahosts|hosts NAME: what this C library's own resolver says. musl ships no getent. */
#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

int main(int count, char **words)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *first, *each;
	char text[INET6_ADDRSTRLEN];

	if (count != 3 || (strcmp(words[1], "ahosts") && strcmp(words[1], "hosts"))) {
		fprintf(stderr, "usage: getent ahosts|hosts NAME\n");
		return 1;
	}
	int error = getaddrinfo(words[2], 0, &hints, &first);
	if (error) {
		fprintf(stderr, "getent: %s: %s\n", words[2], gai_strerror(error));
		return 2;
	}
	for (each = first; each; each = each->ai_next) {
		void *address = each->ai_family == AF_INET
			? (void *)&((struct sockaddr_in *)each->ai_addr)->sin_addr
			: (void *)&((struct sockaddr_in6 *)each->ai_addr)->sin6_addr;
		printf("%-15s STREAM %s\n", inet_ntop(each->ai_family, address, text, sizeof text), words[2]);
	}
	return 0;
}
