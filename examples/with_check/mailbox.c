/* SPDX-License-Identifier: MIT */
#include "mailbox.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct letter {
    struct letter *next;
    char *text;
};

struct mailbox {
    pthread_t cleaner;
    pthread_mutex_t lock;
    pthread_cond_t work;
    struct letter *letters, *thrown;
    unsigned count;
    bool closing;
};

static void letters_free(struct letter *letter)
{
    while (letter) {
        struct letter *const next = letter->next;
        free(letter->text);
        free(letter);
        letter = next;
    }
}

static struct letter *work_wait(struct mailbox *mailbox)
{
    while (!mailbox->thrown && !mailbox->closing)
        pthread_cond_wait(&mailbox->work, &mailbox->lock);
    struct letter *const thrown = mailbox->thrown;
    mailbox->thrown = NULL;
    return thrown;
}

static void *cleaner_main(void *ctx)
{
    struct mailbox *const mailbox = ctx;
    struct letter *thrown;
    pthread_setname_np(pthread_self(), "cleaner");
    pthread_mutex_lock(&mailbox->lock);
    while ((thrown = work_wait(mailbox)) != NULL)
        letters_free(thrown);
    pthread_mutex_unlock(&mailbox->lock);
    return NULL;
}

struct mailbox *mailbox_new(void)
{
    struct mailbox *const mailbox = calloc(1, sizeof *mailbox);
    pthread_mutex_init(&mailbox->lock, NULL);
    pthread_cond_init(&mailbox->work, NULL);
    pthread_create(&mailbox->cleaner, NULL, cleaner_main, mailbox);
    return mailbox;
}

void mailbox_free(struct mailbox *mailbox)
{
    pthread_mutex_lock(&mailbox->lock);
    mailbox->closing = true;
    pthread_cond_signal(&mailbox->work);
    pthread_mutex_unlock(&mailbox->lock);
    pthread_join(mailbox->cleaner, NULL);
#ifndef SEEDED
    letters_free(mailbox->letters);
#endif
    free(mailbox);
}

struct letter *mailbox_put(struct mailbox *mailbox, const char *text)
{
    struct letter *const letter = malloc(sizeof *letter);
    letter->text = strdup(text);
    letter->next = mailbox->letters;
    mailbox->letters = letter;
    mailbox->count++;
    return letter;
}

unsigned mailbox_count(const struct mailbox *mailbox)
{
    return mailbox->count;
}

const char *mailbox_find(const struct mailbox *mailbox, const char *start)
{
#ifdef SEEDED
    char *const key = strdup(start);
#else
    const char *const key = start;
#endif
    const struct letter *letter = mailbox->letters;
    while (letter && strncmp(letter->text, key, strlen(key)) != 0)
        letter = letter->next;
#ifdef SEEDED
    free(key);
#endif
    return letter ? letter->text : NULL;
}

void mailbox_clear(struct mailbox *mailbox)
{
    pthread_mutex_lock(&mailbox->lock);
#ifndef SEEDED
    mailbox->thrown = mailbox->letters;
    mailbox->letters = NULL;
#endif
    mailbox->count = 0;
    pthread_cond_signal(&mailbox->work);
    pthread_mutex_unlock(&mailbox->lock);
}
