// The live view: head, rows, details, and the keys. Of the main thread.
//
// SPDX-License-Identifier: Apache-2.0
#define NCURSES_WIDECHAR 1
#include "screen.h"

#include <curses.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "details.h"
#include "head.h"
#include "rows.h"

enum { PLAIN, GOOD, BUSY, WARN, BAD, DIM, PAIRS };
enum { ESCAPE = 27, DELETE = 127, THREADS_SHOWN = 3, FIRST_MS = 500 };

struct screen {
    struct source *source;
    struct options *options;
    struct snapshot snapshot;
    struct rates rates;
    struct rows rows;
    size_t top, selected;
    uint64_t selected_address;
    uint32_t selected_generation;
    size_t page;     // rows that fit
    int details_top; // lines scrolled away
    bool paused, details, typing, quit, colors;
    char before[FILTER_SIZE]; // the filter, for Escape
    char message[SOURCE_WHY];
    uint64_t next_look; // monotonic ms
};

static uint64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static attr_t color(const struct screen *screen, int pair)
{
    if (!screen->colors)
        return pair == BAD ? A_BOLD : pair == DIM ? A_DIM : A_NORMAL;
    return (attr_t)COLOR_PAIR(pair) | (pair == BAD ? A_BOLD : A_NORMAL);
}

static void put_look(attr_t look)
{
    attrset((int)look);
}

// A whole line; what is left of it is filled with the same look.
static void put_line(int y, attr_t look, const char *text)
{
    char fit[DISPLAY_SIZE];
    if (y < 0 || y >= LINES)
        return;
    put_look(look);
    mvaddstr(y, 0, text_column(text_of(text), COLS, fit));
    put_look(A_NORMAL);
}

// The selected context again, wherever it is now; if it is gone, the row stays.
static void find_selected(struct screen *screen)
{
    for (size_t i = 0; i < screen->rows.count; i++) {
        const struct snapshot_context *context = screen->rows.rows[i];
        if (context->address == screen->selected_address && context->generation == screen->selected_generation) {
            screen->selected = i;
            return;
        }
    }
    if (screen->selected >= screen->rows.count)
        screen->selected = screen->rows.count ? screen->rows.count - 1 : 0;
}

static void remember_selected(struct screen *screen)
{
    if (screen->selected >= screen->rows.count)
        return;
    screen->selected_address = screen->rows.rows[screen->selected]->address;
    screen->selected_generation = screen->rows.rows[screen->selected]->generation;
}

// At first nothing is selected: the view stays at the top, whoever comes there.
static void choose_rows(struct screen *screen)
{
    rows_free(&screen->rows);
    screen->rows = rows_select(&screen->snapshot, screen->options);
    if (screen->selected_address)
        find_selected(screen);
}

// What was seen stays on the screen if this look fails.
static enum source_result look(struct screen *screen)
{
    struct snapshot next;
    enum source_result result = snapshot_take(&next, screen->source, screen->message);
    screen->next_look = now_ms() + screen->options->delay_ms;
    if (result != SOURCE_GOOD)
        return result;
    screen->message[0] = '\0';
    rows_free(&screen->rows);
    snapshot_free(&screen->snapshot);
    screen->snapshot = next;
    rates_update(&screen->rates, &screen->snapshot);
    choose_rows(screen);
    return SOURCE_GOOD;
}

static int draw_head(const struct screen *screen)
{
    char text[DISPLAY_SIZE], right[64];
    head_process(&screen->snapshot, text);
    put_line(0, A_BOLD, text);
    snprintf(right, sizeof right, screen->paused ? " PAUSED " : " every %.3gs ", screen->options->delay_ms / 1000.0);
    bool live = screen->snapshot.lives;
    if (live && COLS > display_columns(text) + (int)strlen(right)) {
        put_look(screen->paused ? A_REVERSE : color(screen, DIM));
        mvaddstr(0, COLS - (int)strlen(right), right);
        put_look(A_NORMAL);
    }
    head_contexts(&screen->snapshot, &screen->rates, text);
    put_line(1, screen->snapshot.errors ? color(screen, BAD) : A_NORMAL, text);
    int y = 2, most = LINES >= 16 ? THREADS_SHOWN : LINES >= 10 ? 1 : 0;
    size_t more = 0;
    for (size_t i = 0; i < screen->snapshot.thread_count; i++) {
        const struct snapshot_thread *thread = &screen->snapshot.threads[i];
        if (!thread->attached || y - 2 >= most) {
            more += thread->attached;
            continue;
        }
        head_thread(&screen->snapshot, &screen->rates, i, text);
        bool asleep = thread->current >= 0 && thread->kernel_state && thread->kernel_state != 'R';
        put_line(y++, color(screen, asleep ? WARN : DIM), text);
    }
    if (more && most > 1) {
        snprintf(text, sizeof text, "and %zu threads more", more);
        put_line(y++, color(screen, DIM), text);
    }
    head_unseen(&screen->snapshot, text);
    if (text[0] && LINES >= 10)
        put_line(y++, color(screen, WARN), text);
    return y;
}

static attr_t look_of(const struct screen *screen, const struct snapshot_context *context, enum column_id column)
{
    if (column == COLUMN_ERRORS && context->errors)
        return color(screen, BAD);
    if (column != COLUMN_STATE)
        return A_NORMAL;
    if (context->state == SNAPSHOT_RUNNING)
        return color(screen, rows_state(&screen->snapshot, context)[0] == 'a' ? BAD : GOOD);
    return color(screen, context->state == SNAPSHOT_TXN    ? BUSY
                         : context->state == SNAPSHOT_HELD ? WARN
                         : context->state == SNAPSHOT_IDLE ? DIM
                                                           : PLAIN);
}

static void put_cell(int y, int x, const char *cell, int width, bool right)
{
    char fit[DISPLAY_SIZE];
    text_fit(text_of(cell), width, fit);
    int gap = width - display_columns(fit);
    mvaddstr(y, x + (right && gap > 0 ? gap : 0), fit);
}

static void draw_titles(const struct screen *screen, const struct columns *columns, int y)
{
    put_line(y, A_REVERSE, "");
    int x = 0;
    for (unsigned i = 0; i < COLUMN_COUNT; i++) {
        enum column_id column = (enum column_id)i;
        if (!columns->width[column])
            continue;
        put_look(A_REVERSE | (column == rows_sorted_by(screen->options->sort) ? A_BOLD | A_UNDERLINE : A_NORMAL));
        put_cell(y, x, rows_title(column), columns->width[column], rows_is_number(column));
        x += columns->width[column] + 1;
    }
    put_look(A_NORMAL);
}

static void draw_row(const struct screen *screen, const struct columns *columns, int y, size_t index)
{
    const struct snapshot_context *context = screen->rows.rows[index];
    bool selected = screen->selected_address && index == screen->selected;
    char cell[DISPLAY_SIZE];
    int x = 0;
    put_line(y, selected ? A_REVERSE : A_NORMAL, "");
    for (unsigned i = 0; i < COLUMN_COUNT; i++) {
        enum column_id column = (enum column_id)i;
        if (!columns->width[column])
            continue;
        rows_cell(&screen->snapshot, context, column, cell);
        put_look(selected ? A_REVERSE : look_of(screen, context, column));
        put_cell(y, x, cell, columns->width[column], rows_is_number(column));
        x += columns->width[column] + 1;
    }
    put_look(A_NORMAL);
}

static void draw_rows(struct screen *screen, int y, int end)
{
    struct columns columns = rows_fit(&screen->snapshot, &screen->rows, COLS);
    draw_titles(screen, &columns, y++);
    screen->page = end > y ? (size_t)(end - y) : 1;
    if (screen->selected < screen->top)
        screen->top = screen->selected;
    if (screen->selected >= screen->top + screen->page)
        screen->top = screen->selected - screen->page + 1;
    for (size_t i = screen->top; i < screen->rows.count && y < end; i++)
        draw_row(screen, &columns, y++, i);
    if (screen->rows.count == 0 && y < end)
        put_line(y, color(screen, DIM),
                 screen->options->filter[0] || screen->options->kind ? "No context in flight matches the filter."
                                                                     : "No context is in flight.");
}

struct lines {
    const struct screen *screen;
    int at, y, end, skip;
};

static void draw_detail(const char *text, void *user)
{
    struct lines *lines = user;
    if (lines->at++ < lines->skip || lines->y >= lines->end)
        return;
    put_line(lines->y++, lines->at == 1 ? A_BOLD : A_NORMAL, text);
}

static void draw_details(struct screen *screen, int y, int end)
{
    struct lines lines = {screen, 0, y, end, screen->details_top};
    if (screen->selected < screen->rows.count)
        details_show(&screen->snapshot, screen->rows.rows[screen->selected], COLS, draw_detail, &lines);
    int most = lines.at - (end - y);
    if (screen->details_top > most)
        screen->details_top = most > 0 ? most : 0;
}

static void draw_footer(const struct screen *screen)
{
    char text[DISPLAY_SIZE];
    if (screen->typing)
        snprintf(text, sizeof text, "Filter: %s_   (Enter keeps it, Escape does not)", screen->options->filter);
    else if (screen->message[0])
        snprintf(text, sizeof text, "%s", screen->message);
    else
        snprintf(text, sizeof text, "%s%s%s%ssort: Age Cpu Db Wait Err Name State, Reverse  / filter  Enter %s  q quit",
                 screen->options->filter[0] ? "[" : "", screen->options->filter,
                 screen->options->filter[0] ? "]  " : "", screen->paused ? "paused  " : "",
                 screen->details ? "back" : "details");
    put_line(LINES - 1, screen->message[0] && !screen->typing ? color(screen, BAD) : color(screen, DIM), text);
}

// On a short terminal the details have the rows' place, else the lower part of it.
static void draw(struct screen *screen)
{
    erase();
    int y = draw_head(screen), end = LINES - 1;
    int room = end - y;
    if (screen->details && room < 24) {
        draw_details(screen, y, end);
    } else if (screen->details) {
        draw_rows(screen, y, y + room / 3);
        put_line(y + room / 3, A_REVERSE, "");
        draw_details(screen, y + room / 3 + 1, end);
    } else {
        draw_rows(screen, y, end);
    }
    draw_footer(screen);
    move(LINES - 1, COLS - 1);
    refresh();
}

static void type(struct screen *screen, int key)
{
    char *filter = screen->options->filter;
    size_t length = strlen(filter);
    if (key == '\n' || key == '\r' || key == KEY_ENTER || key == ESCAPE) {
        screen->typing = false;
        if (key == ESCAPE)
            memcpy(filter, screen->before, sizeof screen->before);
    } else if (key == KEY_BACKSPACE || key == DELETE || key == '\b') {
        while (length > 0 && (filter[length - 1] & 0xC0) == 0x80)
            length--;
        filter[length > 0 ? length - 1 : 0] = '\0';
    } else if (key >= ' ' && key < 256 && length + 1 < FILTER_SIZE) {
        filter[length] = (char)key;
        filter[length + 1] = '\0';
    }
    screen->top = 0;
    choose_rows(screen);
}

static void set_sort(struct screen *screen, enum sort sort)
{
    screen->options->sort = sort;
    screen->top = 0;
    choose_rows(screen);
}

static void change_delay(struct screen *screen, bool longer)
{
    static const unsigned steps[] = {100, 200, 500, 1000, 2000, 5000, 10000, 30000, DELAY_MAX_MS};
    unsigned *delay = &screen->options->delay_ms, next = *delay;
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        if (longer && steps[i] > *delay) {
            next = steps[i];
            break;
        }
        if (!longer && steps[i] < *delay)
            next = steps[i];
    }
    *delay = next;
    screen->next_look = now_ms() + next;
}

static void select_row(struct screen *screen, long step)
{
    if (screen->details && LINES < 32) {
        long top = screen->details_top + step;
        screen->details_top = top > 0 ? (int)top : 0;
        return;
    }
    long last = (long)screen->rows.count - 1;
    // The first key marks where one is; only the next one moves.
    long goal = screen->selected_address ? (long)screen->selected + step : step == 1 ? 0 : step;
    screen->selected = goal < 0 || last < 0 ? 0 : goal > last ? (size_t)last : (size_t)goal;
    remember_selected(screen);
}

static void deselect(struct screen *screen)
{
    screen->details = false;
    screen->selected_address = 0;
    screen->selected = screen->top = 0;
}

static bool move_by(struct screen *screen, int key)
{
    long page = (long)screen->page;
    switch (key) {
    case KEY_DOWN:
    case 'j':
        select_row(screen, 1);
        return true;
    case KEY_UP:
    case 'k':
        select_row(screen, -1);
        return true;
    case KEY_NPAGE:
        select_row(screen, page);
        return true;
    case KEY_PPAGE:
        select_row(screen, -page);
        return true;
    case KEY_HOME:
        select_row(screen, -(long)screen->rows.count - 1000);
        return true;
    case KEY_END:
        select_row(screen, (long)screen->rows.count + 1000);
        return true;
    default:
        return false;
    }
}

static void press(struct screen *screen, int key)
{
    static const char sorts[] = "acdwens"; // as enum sort
    const char *sort = key > 0 && key < 128 ? strchr(sorts, key) : NULL;
    if (screen->typing) {
        type(screen, key);
        return;
    }
    if (sort) {
        set_sort(screen, (enum sort)(sort - sorts));
        return;
    }
    if (move_by(screen, key))
        return;
    switch (key) {
    case 'q':
    case 'Q':
        screen->quit = true;
        break;
    case 'r':
        screen->options->reverse = !screen->options->reverse, set_sort(screen, screen->options->sort);
        break;
    case '/':
        memcpy(screen->before, screen->options->filter, sizeof screen->before);
        screen->options->filter[0] = '\0';
        screen->typing = true;
        choose_rows(screen);
        break;
    case ' ':
        screen->paused = !screen->paused, screen->next_look = now_ms();
        break;
    case '+':
    case '=':
        change_delay(screen, true);
        break;
    case '-':
        change_delay(screen, false);
        break;
    case '\n':
    case '\r':
    case KEY_ENTER:
        screen->details = !screen->details && screen->rows.count > 0;
        screen->details_top = 0;
        remember_selected(screen);
        break;
    case ESCAPE:
        deselect(screen);
        break;
    default:
        break;
    }
}

static void begin_colors(struct screen *screen)
{
    const char *no_color = getenv("NO_COLOR");
    if ((no_color && *no_color) || !has_colors() || start_color() != OK)
        return;
    short back = use_default_colors() == OK ? -1 : COLOR_BLACK;
    static const short colors[PAIRS] = {
        [GOOD] = COLOR_GREEN, [BUSY] = COLOR_CYAN, [WARN] = COLOR_YELLOW, [BAD] = COLOR_RED, [DIM] = COLOR_BLUE};
    for (int i = GOOD; i < PAIRS; i++)
        init_pair((short)i, colors[i], back);
    screen->colors = true;
}

static void wait_for_key(struct screen *screen)
{
    uint64_t now = now_ms();
    bool looks = !screen->paused && (screen->snapshot.lives || screen->rates.now == 0);
    timeout(!looks ? -1 : screen->next_look > now ? (int)(screen->next_look - now) : 0);
    int key = getch();
    if (key == ERR && !looks)
        screen->quit = true; // the terminal is gone
    else if (key != ERR && key != KEY_RESIZE)
        press(screen, key);
    if (!screen->paused && looks && now_ms() >= screen->next_look)
        look(screen);
}

enum source_result screen_run(struct source *source, struct options *options, char why[SOURCE_WHY])
{
    struct screen screen = {.source = source, .options = options};
    enum source_result result = look(&screen);
    if (result != SOURCE_GOOD) {
        snprintf(why, SOURCE_WHY, "%s", screen.message);
        return result;
    }
    SCREEN *terminal = newterm(NULL, stdout, stdin);
    if (!terminal) {
        snprintf(why, SOURCE_WHY, "This terminal (TERM) is not known here; use --once.");
        result = SOURCE_TROUBLE;
    } else {
        begin_colors(&screen);
        if (options->delay_ms > FIRST_MS)
            screen.next_look = now_ms() + FIRST_MS; // rates are known from the second look on
        cbreak();
        noecho();
        nonl();
        keypad(stdscr, TRUE);
        set_escdelay(50);
        curs_set(0);
        while (!screen.quit) {
            draw(&screen);
            wait_for_key(&screen);
        }
        endwin();
        delscreen(terminal);
    }
    rows_free(&screen.rows);
    snapshot_free(&screen.snapshot);
    return result;
}
