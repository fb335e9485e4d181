/* An HTTP load generator for bench/run: one thread, non-blocking keep-alive connections, prepared requests.
 *
 *   loadgen --port P --requests FILE --seconds S [--rate R] [--connections N]
 *
 * With --rate it is an open loop: request i is due at start + i / R, whether or not earlier ones were answered, and its latency counts
 * from the moment it was due, not from when a connection was free to carry it. So a server that stalls is charged for every request that
 * it kept waiting (no coordinated omission). Without --rate it is a closed loop: each connection sends the next request when it has its
 * answer.
 *
 * At the end nothing new is sent and all answers under way are awaited (DRAIN_LIMIT_US at most), so that the counts are exact.
 * FILE holds whole HTTP requests, each preceded by its length in decimal and a newline; they are sent round robin. Prints one JSON
 * object. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum {
    MAX_CONNECTIONS = 4096,
    MAX_EVENTS = 512,
    RESPONSE_BYTES = 64 * 1024,
    SUB_BUCKET_BITS = 6, /* 64 steps a power of two: every figure is within 1.6 % */
    SUB_BUCKETS = 1 << SUB_BUCKET_BITS,
    BUCKETS = SUB_BUCKETS * 36,
    DRAIN_LIMIT_US = 30 * 1000 * 1000,
};

struct request {
    const char *bytes;
    size_t length;
};

struct connection {
    int fd;
    int64_t due_us;                /* of the request under way */
    const struct request *request; /* NULL: idle */
    size_t sent_bytes;
    size_t received_bytes;
    size_t expected_bytes; /* of the whole answer, 0 until its header is complete */
    int status;
    char response[RESPONSE_BYTES];
};

struct options {
    int port;
    int connections;
    double rate_per_s; /* 0: closed loop */
    double seconds;
    const char *requests_path;
};

struct load {
    struct options options;
    struct request *requests;
    size_t request_count;
    size_t next_request;
    struct connection *connections;
    struct connection **idle;
    size_t idle_count;
    size_t under_way;
    int epoll_fd;
    int timer_fd;
    int64_t start_us;
    int64_t last_answer_us;
    uint64_t issued;
    uint64_t by_status[600];
    uint64_t errors;
    uint64_t buckets[BUCKETS];
    uint64_t measured;
    int64_t max_us;
    double sum_us;
};

static void die(const char *what) {
    fprintf(stderr, "loadgen: %s: %s\n", what, strerror(errno));
    exit(1);
}

static int64_t now_us(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* Buckets as in HdrHistogram: linear below SUB_BUCKETS µs, then SUB_BUCKETS to each power of two. */
static size_t bucket_of(int64_t value_us) {
    uint64_t value = value_us < 0 ? 0 : (uint64_t)value_us;
    if (value < SUB_BUCKETS) {
        return (size_t)value;
    }
    unsigned shift = 63u - (unsigned)__builtin_clzll(value) - SUB_BUCKET_BITS;
    size_t bucket = (size_t)(shift + 1) * SUB_BUCKETS + (size_t)((value >> shift) - SUB_BUCKETS);
    return bucket < BUCKETS ? bucket : BUCKETS - 1;
}

static double bucket_middle_us(size_t bucket) {
    if (bucket < SUB_BUCKETS) {
        return (double)bucket;
    }
    unsigned shift = (unsigned)(bucket / SUB_BUCKETS) - 1;
    double width = (double)(1ull << shift);
    return (double)(SUB_BUCKETS + bucket % SUB_BUCKETS) * width + width / 2;
}

static double percentile_ms(const struct load *load, double fraction) {
    uint64_t wanted = (uint64_t)((double)load->measured * fraction + 0.5);
    uint64_t seen = 0;
    for (size_t i = 0; i < BUCKETS; i++) {
        seen += load->buckets[i];
        if (seen >= wanted && seen > 0) {
            double middle_us = bucket_middle_us(i);
            return (middle_us < (double)load->max_us ? middle_us : (double)load->max_us) / 1000;
        }
    }
    return (double)load->max_us / 1000;
}

static void read_requests(struct load *load) {
    FILE *file = fopen(load->options.requests_path, "rb");
    if (!file) {
        die(load->options.requests_path);
    }
    size_t length = 0;
    size_t room = 0;
    while (fscanf(file, "%zu", &length) == 1 && fgetc(file) == '\n') {
        char *bytes = malloc(length);
        if (load->request_count == room) {
            room = room ? room * 2 : 1024;
            load->requests = realloc(load->requests, room * sizeof *load->requests);
        }
        if (!bytes || !load->requests || fread(bytes, 1, length, file) != length) {
            die("the requests file is cut short, or no memory");
        }
        load->requests[load->request_count++] = (struct request){bytes, length};
    }
    fclose(file);
    if (load->request_count == 0) {
        errno = EINVAL;
        die("no requests in the file");
    }
}

static void connect_one(struct load *load, struct connection *connection) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)load->options.port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connection->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connection->fd < 0 || connect(connection->fd, (struct sockaddr *)&address, sizeof address) < 0) {
        die("connect");
    }
    int one = 1;
    setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    fcntl(connection->fd, F_SETFL, fcntl(connection->fd, F_GETFL) | O_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
    if (epoll_ctl(load->epoll_fd, EPOLL_CTL_ADD, connection->fd, &event) < 0) {
        die("epoll_ctl");
    }
}

/* Also when the server closes an idle connection: then nothing was under way, and nothing is counted. */
static void fail(struct load *load, struct connection *connection) {
    close(connection->fd);
    connect_one(load, connection);
    if (connection->request) {
        load->errors++;
        load->under_way--;
        connection->request = NULL;
        load->idle[load->idle_count++] = connection;
    }
}

/* Requests are small: a socket buffer that is full with nothing under way on it doesn't happen, but a partial write is still finished on
 * EPOLLOUT. */
static void write_some(struct load *load, struct connection *connection) {
    const struct request *request = connection->request;
    while (request && connection->sent_bytes < request->length) {
        ssize_t n = send(connection->fd, request->bytes + connection->sent_bytes, request->length - connection->sent_bytes, MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN) {
            struct epoll_event event = {.events = EPOLLIN | EPOLLOUT, .data.ptr = connection};
            epoll_ctl(load->epoll_fd, EPOLL_CTL_MOD, connection->fd, &event);
            return;
        }
        if (n < 0) {
            fail(load, connection);
            return;
        }
        connection->sent_bytes += (size_t)n;
    }
}

static void issue(struct load *load, struct connection *connection, int64_t due_us) {
    connection->due_us = due_us;
    connection->request = &load->requests[load->next_request];
    load->next_request = (load->next_request + 1) % load->request_count;
    connection->sent_bytes = connection->received_bytes = connection->expected_bytes = 0;
    load->issued++;
    load->under_way++;
    write_some(load, connection);
}

/* Learns the status and the whole length once the header is complete. Only Content-Length is understood: it is all these servers use. */
static bool read_header(struct connection *connection) {
    connection->response[connection->received_bytes] = '\0';
    char *end = strstr(connection->response, "\r\n\r\n");
    if (!end) {
        return true;
    }
    char *length = strcasestr(connection->response, "\r\ncontent-length:");
    if (!length || length > end || sscanf(connection->response, "HTTP/1.1 %d", &connection->status) != 1 || connection->status > 599 ||
        connection->status < 100) {
        return false;
    }
    connection->expected_bytes = (size_t)(end + 4 - connection->response) + strtoul(length + strlen("\r\ncontent-length:"), NULL, 10);
    return connection->expected_bytes < RESPONSE_BYTES;
}

static void answered(struct load *load, struct connection *connection) {
    int64_t now = now_us(CLOCK_MONOTONIC);
    int64_t latency = now - connection->due_us;
    load->buckets[bucket_of(latency)]++;
    load->measured++;
    load->sum_us += (double)latency;
    load->max_us = latency > load->max_us ? latency : load->max_us;
    load->last_answer_us = now;
    load->by_status[connection->status]++;
    load->under_way--;
    connection->request = NULL;
    load->idle[load->idle_count++] = connection;
}

static void read_some(struct load *load, struct connection *connection) {
    size_t room = RESPONSE_BYTES - 1 - connection->received_bytes;
    ssize_t n = recv(connection->fd, connection->response + connection->received_bytes, room, 0);
    if (n < 0 && errno == EAGAIN) {
        return;
    }
    if (n <= 0 || !connection->request) {
        fail(load, connection);
        return;
    }
    connection->received_bytes += (size_t)n;
    if (connection->expected_bytes == 0 && !read_header(connection)) {
        fail(load, connection);
        return;
    }
    if (connection->expected_bytes > 0 && connection->received_bytes >= connection->expected_bytes) {
        answered(load, connection);
    }
}

static int64_t due_us(const struct load *load, uint64_t index) {
    return load->start_us + (int64_t)((double)index * 1e6 / load->options.rate_per_s);
}

/* Sends all that is due and can be carried; in the open loop sets the timer for the next one. */
static void issue_due(struct load *load, int64_t end_us) {
    bool open_loop = load->options.rate_per_s > 0;
    int64_t now = now_us(CLOCK_MONOTONIC);
    while (load->idle_count > 0) {
        int64_t due = open_loop ? due_us(load, load->issued) : now;
        if (due > now || due >= end_us) {
            break;
        }
        issue(load, load->idle[--load->idle_count], due);
    }
    if (open_loop && load->idle_count > 0) {
        int64_t due = due_us(load, load->issued);
        struct itimerspec when = {.it_value = {.tv_sec = due / 1000000, .tv_nsec = due % 1000000 * 1000}};
        timerfd_settime(load->timer_fd, TFD_TIMER_ABSTIME, &when, NULL);
    }
}

/* In an open loop all that fell due before the end is sent, however late, else the slowest requests would go unmeasured. */
static bool all_issued(const struct load *load, int64_t end_us) {
    if (load->options.rate_per_s > 0) {
        return due_us(load, load->issued) >= end_us;
    }
    return now_us(CLOCK_MONOTONIC) >= end_us;
}

static void handle_events(struct load *load) {
    struct epoll_event events[MAX_EVENTS];
    int n = epoll_wait(load->epoll_fd, events, MAX_EVENTS, 100);
    for (int i = 0; i < n; i++) {
        struct connection *connection = events[i].data.ptr;
        if (!connection) {
            uint64_t expirations;
            (void)!read(load->timer_fd, &expirations, sizeof expirations);
            continue;
        }
        if (events[i].events & EPOLLOUT) {
            struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
            epoll_ctl(load->epoll_fd, EPOLL_CTL_MOD, connection->fd, &event);
            write_some(load, connection);
        }
        if (events[i].events & (EPOLLIN | EPOLLERR | EPOLLHUP)) {
            read_some(load, connection);
        }
    }
}

/* One request on each connection that counts for nothing: a busy server may be slow to take new connections (Node left some waiting for
 * seconds), and a run should measure 256 connections from its start. */
static void prime(struct load *load) {
    static const char healthz[] = "GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";
    struct request request = {healthz, sizeof healthz - 1};
    struct request *requests = load->requests;
    size_t request_count = load->request_count;
    load->requests = &request;
    load->request_count = 1;
    int64_t limit_us = now_us(CLOCK_MONOTONIC) + DRAIN_LIMIT_US;
    while (load->idle_count > 0) {
        issue(load, load->idle[--load->idle_count], now_us(CLOCK_MONOTONIC));
    }
    while (load->under_way > 0) {
        handle_events(load);
        if (load->errors > 0 || now_us(CLOCK_MONOTONIC) > limit_us) {
            errno = ECONNABORTED;
            die("GET /healthz");
        }
    }
    load->requests = requests;
    load->request_count = request_count;
    load->next_request = 0;
    load->issued = load->measured = 0;
    load->max_us = 0;
    load->sum_us = 0;
    memset(load->by_status, 0, sizeof load->by_status);
    memset(load->buckets, 0, sizeof load->buckets);
}

static void run(struct load *load) {
    load->start_us = now_us(CLOCK_MONOTONIC);
    int64_t end_us = load->start_us + (int64_t)(load->options.seconds * 1e6);
    for (;;) {
        if (!all_issued(load, end_us)) {
            issue_due(load, end_us);
        } else if (load->under_way == 0) {
            return;
        }
        if (now_us(CLOCK_MONOTONIC) > end_us + DRAIN_LIMIT_US) {
            load->errors += load->under_way;
            return;
        }
        handle_events(load);
    }
}

static void print_result(const struct load *load, int64_t wall_start_us) {
    double seconds = (double)(load->last_answer_us - load->start_us) / 1e6;
    printf("{\"startedAt\":%.6f,\"seconds\":%.6f,\"issued\":%lu,\"errors\":%lu,\"status\":{", (double)wall_start_us / 1e6, seconds,
           load->issued, load->errors);
    const char *comma = "";
    for (int status = 0; status < 600; status++) {
        if (load->by_status[status] > 0) {
            printf("%s\"%d\":%lu", comma, status, load->by_status[status]);
            comma = ",";
        }
    }
    printf("},\"perSecond\":%.1f,\"latencyMs\":{\"mean\":%.3f,\"p50\":%.3f,\"p90\":%.3f,\"p99\":%.3f,\"p999\":%.3f,\"max\":%.3f}}\n",
           (double)load->measured / seconds, load->measured ? load->sum_us / (double)load->measured / 1000 : 0, percentile_ms(load, 0.5),
           percentile_ms(load, 0.9), percentile_ms(load, 0.99), percentile_ms(load, 0.999), (double)load->max_us / 1000);
}

static struct options parse(int argc, char **argv) {
    struct options options = {.connections = 256, .seconds = 10};
    for (int i = 1; i + 1 < argc; i += 2) {
        const char *name = argv[i];
        const char *value = argv[i + 1];
        if (!strcmp(name, "--port")) {
            options.port = atoi(value);
        } else if (!strcmp(name, "--requests")) {
            options.requests_path = value;
        } else if (!strcmp(name, "--seconds")) {
            options.seconds = atof(value);
        } else if (!strcmp(name, "--rate")) {
            options.rate_per_s = atof(value);
        } else if (!strcmp(name, "--connections")) {
            options.connections = atoi(value);
        } else {
            options.port = 0;
            break;
        }
    }
    if (options.port <= 0 || options.port > 65535 || !options.requests_path || options.connections < 1 ||
        options.connections > MAX_CONNECTIONS || options.seconds <= 0) {
        fprintf(stderr, "usage: loadgen --port P --requests FILE --seconds S [--rate R] [--connections N]\n");
        exit(2);
    }
    return options;
}

int main(int argc, char **argv) {
    struct load load = {.options = parse(argc, argv)};
    read_requests(&load);
    size_t connections = (size_t)load.options.connections;
    load.connections = calloc(connections, sizeof *load.connections);
    load.idle = calloc(connections, sizeof(struct connection *));
    load.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    load.timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    struct epoll_event timer = {.events = EPOLLIN, .data.ptr = NULL};
    if (!load.connections || !load.idle || load.epoll_fd < 0 || load.timer_fd < 0 ||
        epoll_ctl(load.epoll_fd, EPOLL_CTL_ADD, load.timer_fd, &timer) < 0) {
        die("set-up");
    }
    for (size_t i = 0; i < connections; i++) {
        connect_one(&load, &load.connections[i]);
        load.idle[load.idle_count++] = &load.connections[i];
    }
    prime(&load);
    int64_t wall_start_us = now_us(CLOCK_REALTIME);
    run(&load);
    print_result(&load, wall_start_us);
    return 0;
}
