/* helpdesk: finds the command, loads the settings, runs it. */
#include <curl/curl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "app/commands.h"
#include "base/json.h"
#include "base/log.h"

static void print_setting(const char *name, const char *fallback, const char *help) {
    (void)printf("  %-31s %s%s%s%s\n", name, help, fallback ? " [" : "", fallback ? fallback : "", fallback ? "]" : "");
}

static int print_help(void) {
    (void)printf("helpdesk: a helpdesk whose every change is an event, and the engine that turns events into messages.\n\nCommands:\n");
    for (size_t i = 0; i < hd_command_count; i++)
        (void)printf("  helpdesk %s\n", hd_commands[i].usage);
    (void)printf(
        "\n--config FILE before or behind a command reads settings from lines like NAME = value. helpdesk COMMAND --help says more.\n"
        "\nSettings (environment or file):\n");
    hd_settings_describe(print_setting);
    return 0;
}

static int print_command_help(const struct command *command) {
    (void)printf("helpdesk %s\n\n%s\n", command->usage, command->help);
    return 0;
}

static const struct command *find_command(const char *name) {
    for (size_t i = 0; i < hd_command_count; i++)
        if (strcmp(hd_commands[i].name, name) == 0)
            return &hd_commands[i];
    return NULL;
}

static void tell(const char *problem) {
    (void)fprintf(stderr, "helpdesk: %s\n", problem);
}

static int run_command(const struct command *command, const char *config_file, int argc, char **argv) {
    struct hd_settings *settings = NULL;
    hd_json_init();
    curl_global_init(CURL_GLOBAL_DEFAULT);
    signal(SIGPIPE, SIG_IGN); /* OpenSSL writes to connections that their peers may have closed */
    if (hd_settings_load(config_file, tell, &settings, NULL))
        return 1;
    hd_log_set_level(hd_settings_log_level(settings));
    int status = command->run(settings, argc, argv);
    hd_settings_free(settings);
    curl_global_cleanup();
    return status;
}

/* Takes --config and --help out of the arguments, wherever they stand. */
int main(int argc, char **argv) {
    umask(0077); /* the database, its backups and the secret hold what people wrote: they are the owner's alone */
    const char *config_file = NULL;
    bool help = false;
    int kept = 1;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--config") == 0) {
            if (++i == argc) {
                tell("--config wants a file");
                return 2;
            }
            config_file = argv[i];
        } else if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            help = true;
        } else {
            argv[kept++] = argv[i];
        }
    }
    argv[kept] = NULL;
    if (kept == 1)
        return help ? print_help() : (print_help(), 2);
    if (strcmp(argv[1], "help") == 0)
        return print_help();
    static char version[] = "version";
    if (strcmp(argv[1], "--version") == 0)
        argv[1] = version;
    const struct command *command = find_command(argv[1]);
    if (!command) {
        (void)fprintf(stderr, "helpdesk: there is no command %s; see helpdesk --help\n", argv[1]);
        return 2;
    }
    return help ? print_command_help(command) : run_command(command, config_file, kept - 1, argv + 1);
}
