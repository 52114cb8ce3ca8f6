/*
 * explain.h: what each kind of transition error means to somebody who has never met it: what happened, what usually
 * causes it, what usually mends it, and the shortest piece of code before and after. The one list of it: the dashboard
 * shows it beside an error, docs/errors.md is printed from it. Constant; any thread.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef DASHBOARD_EXPLAIN_H
#define DASHBOARD_EXPLAIN_H

#include <logctx/error.h>

/* Which of an error's two places is most likely the mistake, and whether it is one of the thread's switches. */
enum explain_blame {
    BLAME_SETTER,  /* the switch at set_by, which made current what was found */
    BLAME_SWITCH,  /* the switch at found_by, which noticed that it should not be done */
    BLAME_EARLIER, /* the call at set_by, which is no switch */
    BLAME_CALL,    /* the call at found_by, which is no switch */
};

struct explanation {
    enum explain_blame blame;
    const char *means;
    const char *cause;
    const char *fix;
    const char *example; /* lines, each after its mark: '-' goes, '+' comes, ' ' stays */
};

/* Of each kind of LOGCTX_ERRORS, in its order. X(ID, blame, "means", "cause", "fix", "example") */
#define EXPLANATIONS(X)                                                                                                \
    X(CONTEXT_LOST, SETTER,                                                                                            \
      "A block of work ended, and no context was current any more. What ran between the marked switch and the end "    \
      "of the block was the context's work, but is charged to nobody, and its log lines name no request.",             \
      "A callback that was called directly clears the context as if the event loop had called it. Or whoever "         \
      "completes pending work (a pool, a lock, a timer) puts back what was there before it has run the callback. It "  \
      "may show only under load: what is free at once takes another path.",                                            \
      "Who completes work makes its context current, runs the callback, and only then puts back what was there. A "    \
      "function that is called in a context leaves it current.",                                                       \
      " static void on_ready(struct waiter *w)\n"                                                                      \
      " {\n"                                                                                                           \
      "     logctx_t *before = logctx_set_current(w->ctx);\n"                                                          \
      "-    logctx_set_current(before);\n"                                                                             \
      "     w->callback(w->argument);\n"                                                                               \
      "+    logctx_set_current(before);\n"                                                                             \
      " }\n")                                                                                                          \
    X(UNEXPECTED_CONTEXT, SETTER,                                                                                      \
      "A block of work ended, and the context of other work was current. From the marked switch on, that other "       \
      "context pays for what this one did, and the log lines name the wrong request. Both figures look plausible.",    \
      "Code that was called in the block resumed somebody else's work (fired a deferred, released a lock, called a "   \
      "listener), and that left its own context behind. Or two blocks overlap: the first was ended while the second "  \
      "was open.",                                                                                                     \
      "Call what may resume other work in a preserve block: whatever it leaves behind, the context is put back. End "  \
      "blocks in the opposite order of their beginnings; LOGCTX_SCOPE does.",                                          \
      " static void release(struct lock *lock)\n"                                                                      \
      " {\n"                                                                                                           \
      "     struct waiter *next = take_waiter(lock);\n"                                                                \
      "+    LOGCTX_PRESERVE(logctx_sentinel());\n"                                                                     \
      "     next->callback(next->argument); // runs in its own context\n"                                              \
      " }\n")                                                                                                          \
    X(PREVIOUS_CONTEXT_MISMATCH, SWITCH,                                                                               \
      "A context was entered where something else was current than when it was made. Its exit puts back what was "     \
      "current at its making, which is the wrong one by then: expect context_lost or unexpected_context next.",        \
      "The context is made where the work is put on a list, and entered later, in the callback that does it.",         \
      "Make it where it is entered. If it must be made earlier, run it with logctx_set_current() and end it with "     \
      "logctx_finish(): they assume nothing about what was there before.",                                             \
      " static void on_job(struct job *job)\n"                                                                         \
      " {\n"                                                                                                           \
      "-    logctx_enter(job->ctx); // made when the job was queued\n"                                                 \
      "+    logctx_set_current(job->ctx);\n"                                                                           \
      "     run(job);\n"                                                                                               \
      "-    logctx_exit(job->ctx);\n"                                                                                  \
      "+    logctx_set_current(logctx_sentinel());\n"                                                                  \
      "+    logctx_finish(job->ctx);\n"                                                                                \
      " }\n")                                                                                                          \
    X(RESTARTED_FINISHED, SWITCH,                                                                                      \
      "Code ran in a context whose work was over. Its span had been sent by then, so what the code uses is in the "    \
      "metrics, but in no span, and the request looks cheaper than it was.",                                           \
      "A timer, a retry or a task that nobody waits for kept its request's context and ran after the answer.",         \
      "Work that goes on after its request is not the request's. Give it a context of its own, as a background "       \
      "process, or one that is linked to the request.",                                                                \
      " static void on_answered(struct request *r)\n"                                                                  \
      " {\n"                                                                                                           \
      "-    start_timer(audit_in, logctx_ref(r->ctx));\n"                                                              \
      "+    logctx_deferred_unref(\n"                                                                                  \
      "+        logctx_run_as_background_process(\"audit\", audit, r->record));\n"                                     \
      "     logctx_exit(r->ctx);\n"                                                                                    \
      " }\n")                                                                                                          \
    X(RESTARTED_ACTIVE, SWITCH,                                                                                        \
      "A context was made current that had been started before and never stopped. The old start stands, so that its "  \
      "next slice also counts the time in between.",                                                                   \
      "A thread ended with the context still current, and another thread took over its number. The built-in clocks "   \
      "never use a number twice: it takes a clock of your own whose thread_id() does.",                                \
      "Let a clock of your own count threads instead of naming them, and let every thread end in the sentinel.",       \
      " static uint64_t thread_id(void *user)\n"                                                                       \
      " {\n"                                                                                                           \
      "+    static _Thread_local uint64_t number;\n"                                                                   \
      "+    static _Atomic uint64_t last;\n"                                                                           \
      "+    return number ? number : (number = ++last);\n"                                                             \
      "-    return (uint64_t)pthread_self(); // used again when a thread ends\n"                                       \
      " }\n")                                                                                                          \
    X(STARTED_ON_DIFFERENT_THREAD, SWITCH,                                                                             \
      "A context was made current on a thread that is not its home. What runs there is charged to nobody, because "    \
      "the CPU clocks of two threads have nothing to do with each other; and both threads now change the context.",    \
      "The context was passed to a worker thread, and the worker made it current.",                                    \
      "The worker runs in a child, which logctx_new_on_thread() makes; its cost is added to the caller's. If the "     \
      "work has moved to the other thread for good, hand it over before the switch.",                                  \
      " static void *worker(void *argument)\n"                                                                         \
      " {\n"                                                                                                           \
      "     struct task *task = argument;\n"                                                                           \
      "-    logctx_set_current(task->ctx);\n"                                                                          \
      "+    LOGCTX_SCOPE(logctx_new_on_thread(task->ctx));\n"                                                          \
      "     render(task);\n"                                                                                           \
      "-    logctx_set_current(logctx_sentinel());\n"                                                                  \
      "     return NULL;\n"                                                                                            \
      " }\n")                                                                                                          \
    X(STOPPED_ON_DIFFERENT_THREAD, SETTER,                                                                             \
      "The other end of such a visit: a context that belongs to another thread was current here, and was left. Its "   \
      "start reading is gone, so that the slice that its home thread is in is lost too.",                              \
      "A worker thread made its caller's context current: see started_on_different_thread, which comes before.",       \
      "Run the work in a child of the context, or hand the context over if it has moved for good.",                    \
      " static void on_accepted(struct connection *c) // on its new thread\n"                                          \
      " {\n"                                                                                                           \
      "+    logctx_hand_over(c->ctx);\n"                                                                               \
      "     logctx_set_current(c->ctx);\n"                                                                             \
      "     serve(c);\n"                                                                                               \
      "     logctx_set_current(logctx_sentinel());\n"                                                                  \
      " }\n")                                                                                                          \
    X(STOP_WITHOUT_START, SETTER,                                                                                      \
      "A context was left on its own thread, but the reading of its start was gone: another thread had wiped it. "     \
      "The slice is charged to nobody.",                                                                               \
      "It follows stopped_on_different_thread of the same context. The place that made it current last is the "        \
      "mistake, and it is on that other thread.",                                                                      \
      "Keep the other thread out of the context: it works in a child.",                                                \
      "     struct task task = {.ctx = logctx_current()};\n"                                                           \
      "     start_thread(worker, &task);\n"                                                                            \
      " ...\n"                                                                                                         \
      " static void *worker(void *argument)\n"                                                                         \
      " {\n"                                                                                                           \
      "     struct task *task = argument;\n"                                                                           \
      "-    logctx_set_current(task->ctx);\n"                                                                          \
      "+    LOGCTX_SCOPE(logctx_new_on_thread(task->ctx));\n")                                                         \
    X(UTIME_BACKWARDS, CALL,                                                                                           \
      "The thread's CPU clock read less at the end of a slice than at its beginning. The slice counts as 0. Under "    \
      "the clock cpu this is about the whole of the CPU time, for that is what is read.",                              \
      "A clock of your own that goes back; or one that remembers in a forked child what it read in the parent, while " \
      "the kernel's clocks start at zero in the child.",                                                               \
      "Forget what the clock knows when the process is another one, or use one of the library's clocks.",              \
      " static int64_t read_clock(struct clock *clock)\n"                                                              \
      " {\n"                                                                                                           \
      "+    if (clock->pid != getpid())\n"                                                                             \
      "+        *clock = (struct clock){.pid = getpid()};\n"                                                           \
      "     return clock->before + thread_cpu_ns();\n"                                                                 \
      " }\n")                                                                                                          \
    X(STIME_BACKWARDS, CALL,                                                                                           \
      "The thread's system CPU time read less at the end of a slice than at its beginning. The slice counts as 0.",    \
      "As for utime_backwards, of a clock that knows the two parts exactly: rusage, or one of your own.",              \
      "Forget what the clock knows when the process is another one, or use one of the library's clocks.",              \
      " static int64_t read_system(struct clock *clock)\n"                                                             \
      " {\n"                                                                                                           \
      "+    if (clock->pid != getpid())\n"                                                                             \
      "+        *clock = (struct clock){.pid = getpid()};\n"                                                           \
      "     return clock->system_before + thread_system_ns();\n"                                                       \
      " }\n")                                                                                                          \
    X(BACKGROUND_MAINTAINED_VIOLATION, SETTER,                                                                         \
      "A function was started in the background, was done at once, and left another context current than it was "      \
      "called in. The caller goes on in that one.",                                                                    \
      "The function sets the sentinel on every path, also where nothing is pending: a cache that has the answer.",     \
      "Only who returns with work pending sets the sentinel. logctx_make_yieldable() makes that difference.",          \
      " static logctx_result_t look_up(void *key)\n"                                                                   \
      " {\n"                                                                                                           \
      "     logctx_deferred_t *found = cached(key) ? from_cache(key) : ask(key);\n"                                    \
      "-    logctx_set_current(logctx_sentinel());\n"                                                                  \
      "-    return logctx_wait_for(found);\n"                                                                          \
      "+    return logctx_wait_for(logctx_make_yieldable(found));\n"                                                   \
      " }\n")                                                                                                          \
    X(BGPROC_REENTERED, SWITCH,                                                                                        \
      "The context of a background process that had ended was made current again. What runs in it is missing in its "  \
      "span.",                                                                                                         \
      "A callback or a timer of the process came after its end.",                                                      \
      "Let the work return a deferred that is called when the last callback has run; the process ends then.",          \
      " static logctx_result_t prune(void *rooms)\n"                                                                   \
      " {\n"                                                                                                           \
      "     logctx_deferred_t *pruned = prune_all(rooms); // its timers call it\n"                                     \
      "-    logctx_deferred_unref(pruned);\n"                                                                          \
      "-    return logctx_success(NULL, NULL);\n"                                                                      \
      "+    return logctx_wait_for(logctx_make_yieldable(pruned));\n"                                                  \
      " }\n")                                                                                                          \
    X(BGPROC_EXITED, CALL,                                                                                             \
      "A background process ended twice. The first end counts; its span had been sealed by the second.",               \
      "An error path ends the process, and the common end does so again.",                                             \
      "One place where it ends, on whatever path: LOGCTX_SCOPE, or logctx_run_as_background_process(), which ends it " \
      "by itself.",                                                                                                    \
      " static void vacuum(void)\n"                                                                                    \
      " {\n"                                                                                                           \
      "-    logctx_t *process = new_process();\n"                                                                      \
      "-    logctx_enter(process);\n"                                                                                  \
      "-    if (!open_database())\n"                                                                                   \
      "-        logctx_finish(process);\n"                                                                             \
      "-    logctx_exit(process);\n"                                                                                   \
      "+    LOGCTX_SCOPE(new_process());\n"                                                                            \
      "+    if (!open_database())\n"                                                                                   \
      "+        logctx_set_failed(logctx_current(), \"locked\", NULL);\n"                                              \
      " }\n")                                                                                                          \
    X(NESTED_FROM_SENTINEL, CALL,                                                                                      \
      "A nested context was made where no context was current. It exists, but has no parent: its cost reaches no "     \
      "request.",                                                                                                      \
      "A callback did not make its request's context current again; or the context was lost before.",                  \
      "Put the request's context back at the beginning of the callback. If the work is nobody's request, make it a "   \
      "background process.",                                                                                           \
      " static void on_loaded(struct request *r)\n"                                                                    \
      " {\n"                                                                                                           \
      "+    logctx_set_current(r->ctx);\n"                                                                             \
      "     render_page(r); // makes a nested context\n"                                                               \
      "+    logctx_set_current(logctx_sentinel());\n"                                                                  \
      " }\n")                                                                                                          \
    X(THREADPOOL_FROM_SENTINEL, CALL,                                                                                  \
      "A worker thread was given work for which no context was current. The work's context has no parent, and its "    \
      "cost reaches no request.",                                                                                      \
      "The code that queues the work remembers logctx_current() for it, but was itself called in the sentinel.",       \
      "Make the request's context current before the work is queued; or make the work a background process.",          \
      " static void on_uploaded(struct request *r)\n"                                                                  \
      " {\n"                                                                                                           \
      "+    logctx_set_current(r->ctx);\n"                                                                             \
      "     queue(scale_image, logctx_ref(logctx_current()));\n"                                                       \
      "+    logctx_set_current(logctx_sentinel());\n"                                                                  \
      " }\n")                                                                                                          \
    X(BGPROC_EXCEPTION, CALL,                                                                                          \
      "The work of a background process failed, and the process ended with that. Its span has the failure as its "     \
      "error.type. No time is charged wrongly.",                                                                       \
      "An error path returns the failure instead of dealing with it.",                                                 \
      "Deal with it in the process, since nobody waits for its result. Or leave it, if this is how you want to be "    \
      "told.",                                                                                                         \
      " static logctx_result_t vacuum(void *db)\n"                                                                     \
      " {\n"                                                                                                           \
      "     if (is_locked(db)) {\n"                                                                                    \
      "-        return logctx_failure(\"locked\", NULL, NULL);\n"                                                      \
      "+        logctx_set_failed(logctx_current(), \"locked\", NULL);\n"                                              \
      "+        return logctx_success(NULL, NULL); // tomorrow again\n"                                                \
      "     }\n")                                                                                                      \
    X(NEGATIVE_DURATION, CALL,                                                                                         \
      "A database duration below zero was reported. It was refused: the transaction or the wait is not charged.",      \
      "Begin and end were subtracted the wrong way round, or were read from the wall clock, which can be set back.",   \
      "Let logctx_db_begin() and logctx_db_end() measure it, or subtract readings of CLOCK_MONOTONIC.",                \
      "-    gettimeofday(&began, NULL);\n"                                                                             \
      "+    logctx_db_t transaction;\n"                                                                                \
      "+    logctx_db_begin(&transaction);\n"                                                                          \
      "     commit(db);\n"                                                                                             \
      "-    gettimeofday(&ended, NULL);\n"                                                                             \
      "-    logctx_db_transaction(nanoseconds(&began, &ended));\n"                                                     \
      "+    logctx_db_end(&transaction);\n")                                                                           \
    X(ALREADY_CALLED, CALL,                                                                                            \
      "A deferred was called that had been called before. The second result is freed, and nobody sees it.",            \
      "A timeout and the answer both call the same deferred.",                                                         \
      "Who does not want to wait any longer cancels, as logctx_deferred_set_timeout() does: then the late answer is "  \
      "expected, and ignored.",                                                                                        \
      " static void on_timeout(void *query)\n"                                                                         \
      " {\n"                                                                                                           \
      "-    logctx_deferred_fail(query, \"timeout\", NULL, NULL);\n"                                                   \
      "+    logctx_deferred_cancel(query);\n"                                                                          \
      " }\n")                                                                                                          \
    X(LEAKED_TO_LOOP, SETTER,                                                                                          \
      "A callback returned to the event loop with its context still current. The loop put the sentinel back; what "    \
      "ran between the end of the callback and the poll was charged to the context, other requests' callbacks too.",   \
      "One of the callback's ways out forgets to set the sentinel: often an early return, or an error path.",          \
      "Set the sentinel at one place that every way out reaches. Or bind the callback with logctx_bind(): then there " \
      "is no line to forget.",                                                                                         \
      " static void on_readable(struct connection *c)\n"                                                               \
      " {\n"                                                                                                           \
      "     logctx_set_current(c->ctx);\n"                                                                             \
      "-    if (!whole_request(c))\n"                                                                                  \
      "-        return;\n"                                                                                             \
      "-    answer(c);\n"                                                                                              \
      "+    if (whole_request(c))\n"                                                                                   \
      "+        answer(c);\n"                                                                                          \
      "     logctx_set_current(logctx_sentinel());\n"                                                                  \
      " }\n")                                                                                                          \
    X(UNFINISHED_AT_EXIT, EARLIER,                                                                                     \
      "A context was made, and nobody had finished it when the program ended. Its span never comes; the place is "     \
      "where it was made.",                                                                                            \
      "A path that forgets to end the request, often the one on which a client goes away. Or the program was stopped " \
      "while work was under way: then it is true, and harmless.",                                                      \
      "One place where a request ends, which all paths reach. At the end of the program stop accepting, and let what " \
      "is under way finish.",                                                                                          \
      " static void on_closed(struct connection *c)\n"                                                                 \
      " {\n"                                                                                                           \
      "+    logctx_finish(c->ctx); // does nothing if it is finished\n"                                                \
      "     logctx_unref(c->ctx);\n"                                                                                   \
      "     free(c);\n"                                                                                                \
      " }\n")                                                                                                          \
    X(OUTLIVED_PARENT, EARLIER,                                                                                        \
      "A child finished after its parent. What it used up to the parent's end is in the parent's span; what came "     \
      "later is not.",                                                                                                 \
      "Work for a request that nobody waits for: a cache that is filled after the answer, a thread whose request "     \
      "timed out.",                                                                                                    \
      "Wait for the child before the request ends, or make it a background process, which has no parent to outlive.",  \
      " static void answer(struct request *r)\n"                                                                       \
      " {\n"                                                                                                           \
      "-    logctx_deferred_unref(logctx_run_in_background(fill_cache, r));\n"                                         \
      "+    logctx_deferred_unref(\n"                                                                                  \
      "+        logctx_run_as_background_process(\"fill_cache\", fill_cache, r->page));\n"                             \
      "     send_answer(r);\n"                                                                                         \
      "     logctx_exit(r->ctx);\n"                                                                                    \
      " }\n")                                                                                                          \
    X(THREAD_EXIT_WITH_CONTEXT, SETTER,                                                                                \
      "A thread ended with a context still current. The slice that was running is charged to nobody, and the context " \
      "may never be finished.",                                                                                        \
      "The thread's function returns early, or calls pthread_exit() inside of a block.",                               \
      "LOGCTX_SCOPE in the thread's function: however it is left, the context ends there.",                            \
      " static void *worker(void *argument)\n"                                                                         \
      " {\n"                                                                                                           \
      "-    logctx_t *ctx = logctx_new_on_thread(argument);\n"                                                         \
      "-    logctx_enter(ctx);\n"                                                                                      \
      "+    LOGCTX_SCOPE(logctx_new_on_thread(argument));\n"                                                           \
      "     if (!prepare())\n"                                                                                         \
      "         return NULL;\n"                                                                                        \
      "     work();\n"                                                                                                 \
      "-    logctx_exit(ctx);\n"                                                                                       \
      "     return NULL;\n"                                                                                            \
      " }\n")                                                                                                          \
    X(UNHANDLED_FAILURE, EARLIER,                                                                                      \
      "A deferred failed, and its last reference was given back before anybody had taken the failure. Or the work of " \
      "a timer failed. No time is charged wrongly, but a failure was not seen.",                                       \
      "A result that somebody wanted only as long as it was good.", "Add an errback, also if all it does is to log.",  \
      "     logctx_deferred_t *query = ask(database);\n"                                                               \
      "-    logctx_deferred_add(query, show, NULL, page, NULL);\n"                                                     \
      "+    logctx_deferred_add(query, show, log_failure, page, NULL);\n"                                              \
      "     logctx_deferred_unref(query);\n")                                                                          \
    X(INVALID_USE, CALL,                                                                                               \
      "A call got a NULL context, a handle whose last reference was given back, an end without a beginning, or came "  \
      "where its header says that it must not. The sentence says which. The call did the safe thing, which is mostly " \
      "nothing.",                                                                                                      \
      "A pointer that nobody checked, or one logctx_unref() too many.",                                                \
      "As the sentence says. A handle that is kept across callbacks needs a reference of its own.",                    \
      " static void wait_for_answer(struct query *q)\n"                                                                \
      " {\n"                                                                                                           \
      "-    q->ctx = logctx_current();\n"                                                                              \
      "+    q->ctx = logctx_ref(logctx_current()); // logctx_unref() in on_answer()\n"                                 \
      "     logctx_set_current(logctx_sentinel());\n"                                                                  \
      " }\n")

/* The row of a kind; NULL for a name that this program does not know. */
const struct explanation *explain(const char *kind);

/* The section about the kind in the documentation, "docs/guide.md#context_lost"; "" if there is none. */
const char *explain_anchor(const char *kind);

#endif
