/* Finished work on its way back to the thread that asked for it: many put, one takes all. */
#pragma once

#include <pthread.h>
#include <stdbool.h>

struct mail {
    struct mail *next;
};

struct mailbox {
    pthread_mutex_t lock;
    struct mail *first, **end;
};

static inline void mailbox_init(struct mailbox *box) {
    pthread_mutex_init(&box->lock, NULL);
    box->first = NULL;
    box->end = &box->first;
}

static inline void mailbox_put(struct mailbox *box, struct mail *mail) {
    mail->next = NULL;
    pthread_mutex_lock(&box->lock);
    *box->end = mail;
    box->end = &mail->next;
    pthread_mutex_unlock(&box->lock);
}

/* All of it, in the order in which it was put. */
static inline struct mail *mailbox_take(struct mailbox *box) {
    pthread_mutex_lock(&box->lock);
    struct mail *first = box->first;
    box->first = NULL;
    box->end = &box->first;
    pthread_mutex_unlock(&box->lock);
    return first;
}

static inline bool mailbox_empty(struct mailbox *box) {
    pthread_mutex_lock(&box->lock);
    bool empty = box->first == NULL;
    pthread_mutex_unlock(&box->lock);
    return empty;
}
