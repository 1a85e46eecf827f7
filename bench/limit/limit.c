/*
 * limit does with probes what latency-monitor does, and nothing but the system calls for it: how fast
 * that is, is how fast this machine lets anybody be. It is made of the plainest code, so that there is
 * nothing to be argued about: batches of 64, kernel receive timestamps, a time in each probe.
 *
 *	limit send PACKET PORT ADDRESS...   sends to the addresses by turns
 *	limit answer PORT                   reads probes and sends back those that ask for it
 *	limit flood PACKET ASKING PORT      sends as much as an answerer can take, not more
 *
 * PACKET and ASKING are files, each with a STAMP packet (RFC 8762 section 4.2.1). Sequence number and
 * timestamp are written anew into each. All of it is on 127.0.0.0/8, over IPv4. SIGTERM ends it, and
 * then it prints how many packets it sent or received.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
	BATCH = 64,       /* packets in one system call */
	LONGEST = 1500,   /* octets of a packet */
	QUEUE = 4 << 20,  /* octets of a receive queue, as latency-monitor asks for */
	SOURCES = 8,      /* ports that a flood comes from: each is a session */
	WINDOW = 2 * BATCH, /* unanswered packets of each source */
	SEGMENTS = 65000, /* octets of packets that the kernel cuts up itself, at most */
	STALL = 50,       /* milliseconds until a flood gives up waiting for answers */
};

/* Where a packet has its fields (RFC 8762 sections 4.2.1 and 4.3.1), in octets. */
enum { SEQ = 0, SENT = 4, RECEIVED = 16, SENDER_SEQ = 24, SENDER_TIME = 28, BASE = 44 };

static volatile sig_atomic_t ended;

static void end(int signal) { (void)signal; ended = 1; }

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static void put32(uint8_t *at, uint32_t v) { v = htobe32(v); memcpy(at, &v, 4); }
static void put64(uint8_t *at, uint64_t v) { v = htobe64(v); memcpy(at, &v, 8); }
static uint32_t get32(const uint8_t *at) { uint32_t v; memcpy(&v, at, 4); return be32toh(v); }

/* ntp is a time as a packet has it: seconds since 1900 and a binary fraction. */
static uint64_t ntp(const struct timespec *t)
{
	return ((uint64_t)t->tv_sec + 2208988800u) << 32 | ((uint64_t)t->tv_nsec << 32) / 1000000000u;
}

static uint64_t now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_REALTIME, &t);
	return ntp(&t);
}

static struct sockaddr_in address(const char *ip, const char *port)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(atoi(port))};
	if (inet_pton(AF_INET, ip, &a.sin_addr) != 1) {
		fprintf(stderr, "%s: no address\n", ip);
		exit(2);
	}
	return a;
}

/* udp opens a socket. All have receive timestamps, since who sends probes needs those of the answers. */
static int udp(void)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), on = 1;
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on))
		fail("socket");
	return fd;
}

/* roomy makes a socket's receive queue large; without privilege, as large as the system allows. */
static void roomy(int fd)
{
	int room = QUEUE;
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room))
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
}

/* template reads a packet and returns its length. */
static size_t template(const char *name, uint8_t *packet)
{
	FILE *f = fopen(name, "rb");
	if (!f)
		fail(name);
	size_t n = fread(packet, 1, LONGEST, f);
	fclose(f);
	if (n < BASE) {
		fprintf(stderr, "%s: %zu octets are no packet\n", name, n);
		exit(2);
	}
	return n;
}

/* batch is what one system call reads or writes. */
struct batch {
	struct mmsghdr messages[BATCH];
	struct iovec pieces[BATCH];
	struct sockaddr_in names[BATCH];
	uint8_t packets[BATCH][LONGEST];
	union {
		struct cmsghdr align;
		char octets[CMSG_SPACE(sizeof(struct timespec))];
	} control[BATCH];
};

static void prepare(struct batch *b, size_t size)
{
	for (int i = 0; i < BATCH; i++) {
		b->pieces[i] = (struct iovec){b->packets[i], size};
		b->messages[i].msg_hdr = (struct msghdr){
			.msg_name = &b->names[i], .msg_namelen = sizeof b->names[i],
			.msg_iov = &b->pieces[i], .msg_iovlen = 1,
		};
	}
}

/* write_all sends the first n messages of a batch; those that the system refuses are left out. */
static void write_all(int fd, struct batch *b, int n)
{
	for (int sent = 0; sent < n;) {
		int took = sendmmsg(fd, b->messages + sent, n - sent, 0);
		sent += took > 0 ? took : 1;
	}
}

static uint64_t send_probes(const char *file, const char *port, char **ips, int count)
{
	static struct batch b;
	struct sockaddr_in *targets = calloc(count, sizeof *targets);
	uint32_t *numbers = calloc(count, sizeof *numbers);
	if (!targets || !numbers)
		fail("calloc");
	for (int i = 0; i < count; i++)
		targets[i] = address(ips[i], port);
	size_t size = template(file, b.packets[0]);
	for (int i = 1; i < BATCH; i++)
		memcpy(b.packets[i], b.packets[0], size);
	prepare(&b, size);
	int fd = udp(), ttl = 255;
	if (setsockopt(fd, IPPROTO_IP, IP_TTL, &ttl, sizeof ttl))
		fail("IP_TTL");
	uint64_t sent = 0;
	for (int to = 0; !ended; sent += BATCH) {
		uint64_t t1 = now();
		for (int i = 0; i < BATCH; i++, to = (to + 1) % count) {
			b.names[i] = targets[to];
			put32(b.packets[i] + SEQ, numbers[to]++);
			put64(b.packets[i] + SENT, t1);
		}
		write_all(fd, &b, BATCH);
	}
	return sent;
}

/* received is when the kernel received a message; 0 if it does not say. */
static uint64_t received(struct msghdr *m)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c))
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_TIMESTAMPNS) {
			struct timespec t;
			memcpy(&t, CMSG_DATA(c), sizeof t);
			return ntp(&t);
		}
	return 0;
}

/* asks reports whether a packet asks for an answer: not if it begins with a Return Path TLV (RFC 9503). */
static int asks(const uint8_t *packet, size_t size)
{
	return size < BASE + 4 || packet[BASE + 1] != 10;
}

/* reply makes an answer out of a probe, but for the time at which it leaves. */
static void reply(uint8_t *packet, uint64_t t2)
{
	memcpy(packet + SENDER_SEQ, packet + SEQ, 4);
	memcpy(packet + SENDER_TIME, packet + SENT, 10); /* and the error estimate */
	put64(packet + RECEIVED, t2);
}

/* answer_batch answers what was read, and returns the sum of all numbers and times: they are to be looked at. */
static uint64_t answer_batch(int fd, struct batch *in, int n)
{
	static struct batch out;
	int replies = 0;
	uint64_t sum = 0;
	for (int i = 0; i < n; i++) {
		uint64_t t2 = received(&in->messages[i].msg_hdr);
		sum += t2 + get32(in->packets[i] + SEQ);
		size_t size = in->messages[i].msg_len;
		if (!asks(in->packets[i], size))
			continue;
		reply(in->packets[i], t2);
		out.names[replies] = in->names[i];
		out.pieces[replies] = (struct iovec){in->packets[i], size};
		out.messages[replies].msg_hdr = (struct msghdr){
			.msg_name = &out.names[replies], .msg_namelen = sizeof out.names[replies],
			.msg_iov = &out.pieces[replies], .msg_iovlen = 1,
		};
		replies++;
	}
	uint64_t t3 = replies ? now() : 0;
	for (int i = 0; i < replies; i++)
		put64((uint8_t *)out.pieces[i].iov_base + SENT, t3);
	write_all(fd, &out, replies);
	return sum;
}

static uint64_t answer(const char *port)
{
	static struct batch in;
	static volatile uint64_t sum;
	struct sockaddr_in local = address("127.0.0.1", port);
	int fd = udp();
	roomy(fd);
	if (bind(fd, (void *)&local, sizeof local))
		fail("listen");
	puts("ready");
	fflush(stdout);
	prepare(&in, LONGEST);
	uint64_t total = 0;
	while (!ended) {
		for (int i = 0; i < BATCH; i++) {
			in.messages[i].msg_hdr.msg_namelen = sizeof in.names[i];
			in.messages[i].msg_hdr.msg_control = &in.control[i];
			in.messages[i].msg_hdr.msg_controllen = sizeof in.control[i];
		}
		int n = recvmmsg(fd, in.messages, BATCH, MSG_WAITFORONE, NULL);
		if (n > 0) {
			sum += answer_batch(fd, &in, n);
			total += n;
		}
	}
	return total;
}

/* source is one session of a flood. */
struct source {
	int fd;
	uint32_t next, answered; /* numbers */
	uint8_t packets[BATCH * LONGEST];
};

/* hear takes the answers that came, and reports whether there were any. */
static int hear(struct source *s)
{
	static struct batch in;
	prepare(&in, LONGEST);
	int heard = 0;
	for (int n = BATCH; n == BATCH;) {
		n = recvmmsg(s->fd, in.messages, BATCH, MSG_DONTWAIT, NULL);
		for (int i = 0; i < n; i++)
			s->answered = get32(in.packets[i] + SENDER_SEQ) + 1;
		heard |= n > 0;
	}
	return heard;
}

/* fill sends a batch of which the last packet asks for an answer: in one piece, which the kernel cuts up. */
static void fill(struct source *s, const uint8_t *packet, const uint8_t *asking, size_t size, int batch)
{
	uint64_t t1 = now();
	for (int i = 0; i < batch; i++) {
		uint8_t *p = s->packets + i * size;
		memcpy(p, i == batch - 1 ? asking : packet, size);
		put32(p + SEQ, s->next++);
		put64(p + SENT, t1);
	}
	if (send(s->fd, s->packets, batch * size, 0) < 0 && errno != EAGAIN && errno != ECONNREFUSED)
		fail("send");
}

static void open_source(struct source *s, const char *port, int segment)
{
	struct sockaddr_in to = address("127.0.0.1", port);
	s->fd = udp();
	roomy(s->fd);
	if (connect(s->fd, (void *)&to, sizeof to))
		fail("connect");
	if (setsockopt(s->fd, IPPROTO_UDP, UDP_SEGMENT, &segment, sizeof segment))
		fail("UDP_SEGMENT");
}

static uint64_t flood(const char *file, const char *asking_file, const char *port)
{
	static struct source sources[SOURCES];
	static uint8_t packet[LONGEST], asking[LONGEST];
	struct pollfd waits[SOURCES];
	size_t size = template(file, packet);
	if (template(asking_file, asking) != size) {
		fprintf(stderr, "%s: of another length\n", asking_file);
		exit(2);
	}
	int batch = size * BATCH > SEGMENTS ? SEGMENTS / size : BATCH;
	for (int i = 0; i < SOURCES; i++) {
		open_source(&sources[i], port, size);
		waits[i] = (struct pollfd){.fd = sources[i].fd, .events = POLLIN};
	}
	uint64_t sent = 0;
	while (!ended) {
		int moved = 0;
		for (int i = 0; i < SOURCES; i++) {
			struct source *s = &sources[i];
			moved |= hear(s);
			for (; s->next - s->answered + batch <= WINDOW; sent += batch, moved = 1)
				fill(s, packet, asking, size, batch);
		}
		if (!moved && poll(waits, SOURCES, STALL) == 0)
			for (int i = 0; i < SOURCES; i++)
				sources[i].answered = sources[i].next;
	}
	return sent;
}

int main(int argc, char **argv)
{
	struct sigaction action = {.sa_handler = end}; /* without SA_RESTART: it ends what waits */
	sigaction(SIGTERM, &action, NULL);
	uint64_t packets;
	if (argc >= 5 && !strcmp(argv[1], "send"))
		packets = send_probes(argv[2], argv[3], argv + 4, argc - 4);
	else if (argc == 3 && !strcmp(argv[1], "answer"))
		packets = answer(argv[2]);
	else if (argc == 5 && !strcmp(argv[1], "flood"))
		packets = flood(argv[2], argv[3], argv[4]);
	else {
		fprintf(stderr, "usage: limit send PACKET PORT ADDRESS... | answer PORT | flood PACKET ASKING PORT\n");
		return 2;
	}
	printf("%llu\n", (unsigned long long)packets);
	return 0;
}
