#include "base/rfc3339.h"

#include <stddef.h>
#include <string.h>

enum {
    MS_PER_SECOND = 1000,
    SECONDS_PER_DAY = 86400,
    DAYS_PER_ERA = 146097,        /* 400 Gregorian years */
    EPOCH_DAYS_FROM_ERA = 719468, /* 1970-01-01 counted from 0000-03-01 */
};
#define FIRST_MS (-62135596800000) /* 0001-01-01T00:00:00Z */
#define LAST_MS 253402300799999    /* 9999-12-31T23:59:59.999Z */

/* Both conversions count years from 1 March, so that the leap day is a year's last and months are a linear formula.
 * See Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms". */

static int64_t days_from_civil(int year, int month, int day) {
    int64_t y = month <= 2 ? year - 1 : year; /* year ≥ 1, thus y ≥ 0 */
    int64_t era = y / 400;
    int64_t year_of_era = y % 400;
    int64_t day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * DAYS_PER_ERA + day_of_era - EPOCH_DAYS_FROM_ERA;
}

static void civil_from_days(int64_t days, unsigned *ret_year, unsigned *ret_month, unsigned *ret_day) {
    uint32_t z = (uint32_t)(days + EPOCH_DAYS_FROM_ERA); /* from year 1 on: not negative */
    uint32_t era = z / DAYS_PER_ERA;
    uint32_t day_of_era = z % DAYS_PER_ERA;
    uint32_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    uint32_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    uint32_t month_from_march = (5 * day_of_year + 2) / 153;
    *ret_day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    *ret_month = month_from_march < 10 ? month_from_march + 3 : month_from_march - 9;
    *ret_year = year_of_era + era * 400 + (*ret_month <= 2);
}

static void put_two(char *at, unsigned value) {
    at[0] = (char)('0' + value / 10);
    at[1] = (char)('0' + value % 10);
}

struct hd_time_text hd_time_format(int64_t time_ms) {
    if (time_ms < FIRST_MS)
        time_ms = FIRST_MS;
    if (time_ms > LAST_MS)
        time_ms = LAST_MS;
    uint64_t from_first_ms = (uint64_t)(time_ms - FIRST_MS); /* unsigned: division that rounds down */
    uint64_t second = from_first_ms / MS_PER_SECOND;
    unsigned ms = (unsigned)(from_first_ms % MS_PER_SECOND);
    unsigned of_day = (unsigned)(second % SECONDS_PER_DAY);
    unsigned year, month, day;
    civil_from_days((int64_t)(second / SECONDS_PER_DAY) + FIRST_MS / MS_PER_SECOND / SECONDS_PER_DAY, &year, &month, &day);

    struct hd_time_text out;
    memcpy(out.text, "0000-00-00T00:00:00.000Z", HD_TIME_TEXT_LEN + 1);
    put_two(out.text, year / 100);
    put_two(out.text + 2, year % 100);
    put_two(out.text + 5, month);
    put_two(out.text + 8, day);
    put_two(out.text + 11, of_day / 3600);
    put_two(out.text + 14, of_day / 60 % 60);
    put_two(out.text + 17, of_day % 60);
    out.text[20] = (char)('0' + ms / 100);
    put_two(out.text + 21, ms % 100);
    return out;
}

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

/* Takes exactly count digits off *at. */
static bool take_digits(const char **at, int count, int *ret_value) {
    int value = 0;
    for (int i = 0; i < count; i++) {
        if (!is_digit((*at)[i]))
            return false;
        value = value * 10 + ((*at)[i] - '0');
    }
    *at += count;
    *ret_value = value;
    return true;
}

static bool take_char(const char **at, char c) {
    if (**at != c)
        return false;
    (*at)++;
    return true;
}

/* c in lower case; either case is taken. */
static bool take_letter(const char **at, char c) {
    return take_char(at, c) || take_char(at, (char)(c - 'a' + 'A'));
}

static bool take_date(const char **at, int64_t *ret_days) {
    static const int month_days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int year, month, day;
    if (!take_digits(at, 4, &year) || !take_char(at, '-') || !take_digits(at, 2, &month) || !take_char(at, '-') ||
        !take_digits(at, 2, &day))
        return false;
    if (year < 1 || month < 1 || month > 12 || day < 1)
        return false;
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    if (day > month_days[month - 1] + (month == 2 && leap))
        return false;
    *ret_days = days_from_civil(year, month, day);
    return true;
}

/* Seconds of the day, 60 in the last place allowed for now. */
static bool take_clock(const char **at, int *ret_second, bool *ret_leap) {
    int hour, minute, second;
    if (!take_digits(at, 2, &hour) || !take_char(at, ':') || !take_digits(at, 2, &minute) || !take_char(at, ':') ||
        !take_digits(at, 2, &second))
        return false;
    if (hour > 23 || minute > 59 || second > 60)
        return false;
    *ret_second = hour * 3600 + minute * 60 + second;
    *ret_leap = second == 60;
    return true;
}

static bool take_fraction(const char **at, int *ret_ms) {
    int ms = 0;
    if (take_char(at, '.')) {
        if (!is_digit(**at))
            return false;
        for (int place = 100; is_digit(**at); (*at)++, place /= 10)
            ms += (**at - '0') * place;
    }
    *ret_ms = ms;
    return true;
}

static bool take_offset(const char **at, int *ret_offset_seconds) {
    if (take_letter(at, 'z')) {
        *ret_offset_seconds = 0;
        return true;
    }
    int sign = **at == '-' ? -1 : 1;
    int hour, minute;
    if (!take_char(at, '+') && !take_char(at, '-'))
        return false;
    if (!take_digits(at, 2, &hour) || !take_char(at, ':') || !take_digits(at, 2, &minute) || hour > 23 || minute > 59)
        return false;
    *ret_offset_seconds = sign * (hour * 3600 + minute * 60);
    return true;
}

bool hd_time_parse(const char *text, int64_t *ret_time_ms) {
    const char *at = text;
    int64_t days;
    int second, ms, offset;
    bool leap;
    if (!take_date(&at, &days) || !take_letter(&at, 't') || !take_clock(&at, &second, &leap))
        return false;
    if (!take_fraction(&at, &ms) || !take_offset(&at, &offset) || *at != '\0')
        return false;
    int64_t utc_second = days * SECONDS_PER_DAY + second - offset;
    /* A leap second is the last one of a UTC day; counted as 60 it has become the next day's first. */
    if (leap && utc_second % SECONDS_PER_DAY != 0)
        return false;
    int64_t time_ms = utc_second * MS_PER_SECOND + ms;
    if (time_ms < FIRST_MS || time_ms > LAST_MS)
        return false;
    *ret_time_ms = time_ms;
    return true;
}
