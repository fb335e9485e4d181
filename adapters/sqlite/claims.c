#include "adapters/sqlite/claims.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

#include "core/clock.h"

struct claim {
    int64_t seq; /* 0: an empty slot */
    int64_t visible_at_ms;
    uint64_t token;
    int receive_count;
    enum hd_queue_name queue;
};

/* Open addressing with linear probing and backward-shift deletion. */
struct claims {
    pthread_mutex_t lock;
    struct claim *slots;
    size_t capacity; /* a power of two */
    size_t count;
    uint64_t last_token;
    uint64_t drops;
    int64_t earliest_ms[HD_QUEUE_COUNT]; /* no claim of the queue runs out before; may be too early, never too late */
};

enum { FIRST_CAPACITY = 1024 };

struct claims *hd_claims_new(void) {
    struct claims *claims = calloc(1, sizeof *claims);
    if (!claims)
        return NULL;
    claims->slots = calloc(FIRST_CAPACITY, sizeof *claims->slots);
    if (!claims->slots) {
        free(claims);
        return NULL;
    }
    claims->capacity = FIRST_CAPACITY;
    for (size_t i = 0; i < HD_QUEUE_COUNT; i++)
        claims->earliest_ms[i] = INT64_MAX;
    pthread_mutex_init(&claims->lock, NULL);
    /* a receipt from before a restart must never look like one of ours */
    hd_system_random.fill(&hd_system_random, &claims->last_token, sizeof claims->last_token);
    return claims;
}

void hd_claims_free(struct claims *claims) {
    if (!claims)
        return;
    pthread_mutex_destroy(&claims->lock);
    free(claims->slots);
    free(claims);
}

static char *write_number(char *at, uint64_t number, char end) {
    char digits[20];
    size_t count = 0;
    do {
        digits[count++] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    while (count > 0)
        *at++ = digits[--count];
    *at++ = end;
    return at;
}

void hd_receipt_write(const struct receipt *receipt, char ret_text[RECEIPT_TEXT_BYTES]) {
    char *at = write_number(ret_text, (uint64_t)receipt->lane, ':');
    at = write_number(at, (uint64_t)receipt->due, ':');
    at = write_number(at, (uint64_t)receipt->seq, ':');
    (void)write_number(at, receipt->token, '\0');
}

/* One number and the character behind it. */
static bool read_number(const char **text, char end, uint64_t *ret) {
    uint64_t number = 0;
    const char *c = *text;
    for (; *c >= '0' && *c <= '9'; c++)
        number = number * 10 + (uint64_t)(*c - '0');
    if (c == *text || *c != end)
        return false;
    *text = c + 1;
    *ret = number;
    return true;
}

bool hd_receipt_read(const char *text, struct receipt *ret_receipt) {
    uint64_t lane = 0, due = 0, seq = 0, token = 0;
    if (!read_number(&text, ':', &lane) || !read_number(&text, ':', &due) || !read_number(&text, ':', &seq) ||
        !read_number(&text, '\0', &token))
        return false;
    *ret_receipt = (struct receipt){.lane = (int)lane, .due = (int64_t)due, .seq = (int64_t)seq, .token = token};
    return true;
}

static size_t home(const struct claims *claims, int64_t seq) {
    return (size_t)(((uint64_t)seq * 0x9E3779B97F4A7C15u) >> 20) & (claims->capacity - 1);
}

/* The slot of seq, or the empty one where it belongs. */
static struct claim *slot_of(const struct claims *claims, int64_t seq) {
    size_t i = home(claims, seq);
    while (claims->slots[i].seq != 0 && claims->slots[i].seq != seq)
        i = (i + 1) & (claims->capacity - 1);
    return &claims->slots[i];
}

static bool grow(struct claims *claims) {
    struct claims wider = *claims;
    wider.capacity = claims->capacity * 2;
    wider.slots = calloc(wider.capacity, sizeof *wider.slots);
    if (!wider.slots)
        return false;
    for (size_t i = 0; i < claims->capacity; i++)
        if (claims->slots[i].seq != 0)
            *slot_of(&wider, claims->slots[i].seq) = claims->slots[i];
    free(claims->slots);
    claims->slots = wider.slots;
    claims->capacity = wider.capacity;
    return true;
}

static void erase(struct claims *claims, struct claim *slot) {
    size_t mask = claims->capacity - 1;
    size_t hole = (size_t)(slot - claims->slots);
    for (size_t i = (hole + 1) & mask; claims->slots[i].seq != 0; i = (i + 1) & mask) {
        size_t wanted = home(claims, claims->slots[i].seq);
        if (((i - wanted) & mask) < ((i - hole) & mask))
            continue; /* it would move before its home */
        claims->slots[hole] = claims->slots[i];
        hole = i;
    }
    claims->slots[hole] = (struct claim){0};
    claims->count--;
}

bool hd_claims_take(struct claims *claims, enum hd_queue_name queue, int64_t seq, int64_t now_ms, int64_t visible_at_ms, int stored_count,
                    uint64_t *ret_token, int *ret_count) {
    assert(seq != 0);
    pthread_mutex_lock(&claims->lock);
    struct claim *slot = slot_of(claims, seq);
    bool fresh = slot->seq == 0;
    bool takes = fresh ? claims->count * 2 < claims->capacity || grow(claims) : slot->visible_at_ms <= now_ms;
    if (takes) {
        if (fresh) {
            slot = slot_of(claims, seq); /* growing has moved it */
            *slot = (struct claim){.seq = seq, .queue = queue, .receive_count = stored_count};
            claims->count++;
        }
        slot->visible_at_ms = visible_at_ms;
        slot->token = ++claims->last_token;
        slot->receive_count++;
        if (visible_at_ms < claims->earliest_ms[queue])
            claims->earliest_ms[queue] = visible_at_ms;
        *ret_token = slot->token;
        *ret_count = slot->receive_count;
    }
    pthread_mutex_unlock(&claims->lock);
    return takes;
}

bool hd_claims_holds(struct claims *claims, int64_t seq, uint64_t token) {
    pthread_mutex_lock(&claims->lock);
    const struct claim *slot = slot_of(claims, seq);
    bool holds = slot->seq == seq && slot->token == token;
    pthread_mutex_unlock(&claims->lock);
    return holds;
}

bool hd_claims_extend(struct claims *claims, int64_t seq, uint64_t token, int64_t visible_at_ms) {
    pthread_mutex_lock(&claims->lock);
    struct claim *slot = slot_of(claims, seq);
    bool holds = slot->seq == seq && slot->token == token;
    if (holds) {
        slot->visible_at_ms = visible_at_ms;
        if (visible_at_ms < claims->earliest_ms[slot->queue])
            claims->earliest_ms[slot->queue] = visible_at_ms;
    }
    pthread_mutex_unlock(&claims->lock);
    return holds;
}

void hd_claims_untake(struct claims *claims, int64_t seq, uint64_t token, int64_t now_ms) {
    pthread_mutex_lock(&claims->lock);
    struct claim *slot = slot_of(claims, seq);
    if (slot->seq == seq && slot->token == token) {
        slot->visible_at_ms = now_ms;
        slot->receive_count--;
        if (now_ms < claims->earliest_ms[slot->queue])
            claims->earliest_ms[slot->queue] = now_ms;
    }
    pthread_mutex_unlock(&claims->lock);
}

void hd_claims_drop(struct claims *claims, int64_t seq, uint64_t token) {
    pthread_mutex_lock(&claims->lock);
    struct claim *slot = slot_of(claims, seq);
    if (slot->seq == seq && slot->token == token) {
        erase(claims, slot);
        claims->drops++;
    }
    pthread_mutex_unlock(&claims->lock);
}

uint64_t hd_claims_drops(struct claims *claims) {
    pthread_mutex_lock(&claims->lock);
    uint64_t drops = claims->drops;
    pthread_mutex_unlock(&claims->lock);
    return drops;
}

void hd_claims_forget_run_out(struct claims *claims, enum hd_queue_name queue, int64_t now_ms) {
    pthread_mutex_lock(&claims->lock);
    for (size_t i = 0; i < claims->capacity; i++) {
        /* erasing may move another claim into the slot: look at it again */
        while (claims->slots[i].seq != 0 && claims->slots[i].queue == queue && claims->slots[i].visible_at_ms <= now_ms) {
            erase(claims, &claims->slots[i]);
            claims->drops++;
        }
    }
    pthread_mutex_unlock(&claims->lock);
}

void hd_claims_look(struct claims *claims, enum hd_queue_name queue, int64_t now_ms, int64_t *ret_in_flight, int64_t *ret_run_out,
                    int64_t *ret_next_ms) {
    int64_t in_flight = 0, run_out = 0, next_ms = INT64_MAX;
    pthread_mutex_lock(&claims->lock);
    bool quiet = claims->earliest_ms[queue] > now_ms && !ret_in_flight; /* the usual case: nothing can have run out */
    for (size_t i = 0; !quiet && i < claims->capacity; i++) {
        const struct claim *claim = &claims->slots[i];
        if (claim->seq == 0 || claim->queue != queue)
            continue;
        if (claim->visible_at_ms <= now_ms) {
            run_out++;
        } else {
            in_flight++;
            if (claim->visible_at_ms < next_ms)
                next_ms = claim->visible_at_ms;
        }
    }
    if (quiet) {
        next_ms = claims->earliest_ms[queue];
    } else if (run_out == 0) {
        claims->earliest_ms[queue] = next_ms;
    }
    pthread_mutex_unlock(&claims->lock);
    if (ret_in_flight)
        *ret_in_flight = in_flight;
    if (ret_run_out)
        *ret_run_out = run_out;
    if (ret_next_ms)
        *ret_next_ms = next_ms;
}
