#include "app/command_line.h"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <fmt/format.h>
#include <string>
#include <vector>

#include "app/admin_commands.h"
#include "app/config_commands.h"
#include "app/exit_codes.h"
#include "app/get.h"
#include "app/metrics_reference.h"
#include "app/node_client.h"
#include "app/prefetch.h"
#include "app/serve.h"
#include "app/sign_url.h"
#include "app/store_commands.h"
#include "app/store_url.h"

namespace forebay::app {
namespace {

constexpr const char* footer =
    "Exit codes: 0 done; 1 the operation failed; 2 bad usage or configuration, or a node that\n"
    "cannot start; 3 not found; 4 the node or the origin does not answer.";
constexpr unsigned jobs_max = 256; // more connections than a node grants one client at once are of no use

/// One line: what was wrong, and whose help says how it is done.
std::string usage_complaint(const CLI::App* app, const CLI::Error& problem) {
  // CLI11 asks for a subcommand even where a word that names none stands in its place.
  const CLI::App* chosen = app;
  while (!chosen->get_subcommands().empty()) chosen = chosen->get_subcommands().front();
  const std::vector<std::string> unknown = app->remaining(true);
  std::string said = problem.what();
  if (chosen->get_require_subcommand_min() > 0) {
    said = unknown.empty() ? "a command is required" : fmt::format("\"{}\" is no command", unknown.front());
  }
  std::string path = chosen->get_name();
  for (const CLI::App* up = chosen->get_parent(); up != nullptr; up = up->get_parent())
    if (!up->get_name().empty()) path = up->get_name() + " " + path;
  return fmt::format("forebay: {}; see {} --help\n", said, path);
}

int print(const command_outcome& outcome) {
  std::fputs(outcome.output.c_str(), stdout);
  std::fputs(outcome.complaint.c_str(), stderr);
  return outcome.exit_code;
}

/// What the options of all commands are read into; `code` is the chosen command's exit code.
struct command_line {
  serve_options serving;
  get_options getting;
  prefetch_options prefetching;
  // CLI11 reads the environment for the options of all commands: no two of them may share a variable.
  admin_access purge_access{std::string(default_admin_url), {}}, status_access = purge_access;
  std::string purge_path, purge_prefix, purge_namespace, purge_tag;
  std::string checked_file, shown_file, store_directory;
  std::vector<std::string> sets;
  sign_options signing;
  bool status_json = false;
  int code = exit_ok;
};

void add_node_option(CLI::App& command, std::string& node_url) {
  node_url = default_node_url;
  command.add_option("--node", node_url, "The node to read through")->envname("FOREBAY_URL")->capture_default_str();
}

void add_admin_options(CLI::App& command, admin_access& access) {
  command.add_option("--admin", access.admin_url, "The node's admin listener")
      ->envname("FOREBAY_ADMIN")
      ->capture_default_str();
  // Not on the command line, where every user of the machine could read it.
  command.add_option("--token-from-environment", access.token)->envname("FOREBAY_ADMIN_TOKEN")->group("");
  command.footer("The token of the admin listener, where it asks for one, is read from FOREBAY_ADMIN_TOKEN.\n" +
                 std::string(footer));
}

void add_serve(CLI::App& app, command_line& line) {
  CLI::App* const command = app.add_subcommand("serve", "Run a node until SIGTERM; SIGHUP reloads the configuration");
  command->add_option("-c,--config", line.serving.config_file, "Configuration file (none: the defaults)")
      ->envname("FOREBAY_CONFIG");
  command->add_option("--set", line.serving.sets, "key=value over file and environment, such as node.memory=4GiB")
      ->take_all();
  command->add_option("--addresses", line.serving.addresses_file,
                      "Write the bound addresses to this file, as JSON, once they accept");
  command->callback([&line] { line.code = serve(line.serving); });
}

constexpr const char* token_file_help = "File whose first line is a bearer token, which the node shows to the origin";

void add_get(CLI::App& app, command_line& line) {
  CLI::App* const command =
      app.add_subcommand("get", "Read one object into a file; goes on where an earlier run broke off");
  command
      ->add_option("url", line.getting.url,
                   "Path on the node (/era5/x), or s3://bucket/key, gs://bucket/key, https://host/path")
      ->required();
  command->add_option("-r,--range", line.getting.range, "Bytes: first-last, first- or -count");
  command->add_option("-o,--output", line.getting.output,
                      "File to write, - for standard output (default: the object's name, here)");
  command->add_option("--token-file", line.getting.token_file, token_file_help);
  command->add_flag("-q,--quiet", line.getting.quiet, "Say nothing but errors");
  add_node_option(*command, line.getting.node_url);
  command->callback([&line] { line.code = run_get(line.getting); });
}

void add_prefetch(CLI::App& app, command_line& line) {
  CLI::App* const command = app.add_subcommand("prefetch", "Pull an object, a directory or a Zarr store into the node");
  command->add_option("url", line.prefetching.url, "As for get; a directory is fetched with all below it")->required();
  command->add_option("-j,--jobs", line.prefetching.jobs, "Objects read at the same time")
      ->check(CLI::Range(1u, jobs_max))
      ->capture_default_str();
  command->add_option("--token-file", line.prefetching.token_file, token_file_help);
  command->add_flag("-q,--quiet", line.prefetching.quiet, "Say nothing but errors");
  add_node_option(*command, line.prefetching.node_url);
  command->callback([&line] { line.code = run_prefetch(line.prefetching); });
}

void add_purge(CLI::App& app, command_line& line) {
  CLI::App* const command = app.add_subcommand("purge", "Make the node forget what it holds");
  CLI::Option_group* const what = command->add_option_group("What", "One of");
  what->add_option("path", line.purge_path, "An object: /era5/x");
  what->add_option("--prefix", line.purge_prefix, "Everything below a path: /era5/2020/");
  what->add_option("--namespace", line.purge_namespace, "A whole namespace: /era5");
  what->add_option("--tag", line.purge_tag, "Everything with a surrogate tag (Surrogate-Key, Cache-Tag)");
  what->require_option(1);
  add_admin_options(*command, line.purge_access);
  command->callback([&line] {
    std::string member = "path", value = line.purge_path;
    if (!line.purge_prefix.empty()) member = "prefix", value = line.purge_prefix;
    if (!line.purge_namespace.empty()) member = "namespace", value = line.purge_namespace;
    if (!line.purge_tag.empty()) member = "tag", value = line.purge_tag;
    line.code = run_purge(line.purge_access, member, value);
  });
}

void add_status(CLI::App& app, command_line& line) {
  CLI::App* const command = app.add_subcommand("status", "What the node holds, serves and saved");
  command->add_flag("--json", line.status_json, "The document of /status");
  add_admin_options(*command, line.status_access);
  command->callback([&line] { line.code = run_status(line.status_access, line.status_json); });
}

void add_sign(CLI::App& app, command_line& line) {
  CLI::App* const command = app.add_subcommand("sign", "Sign a URL, which then needs no token until it ends");
  command->add_option("url", line.signing.url, "URL or path on the node: https://node/era5/x, /era5/x")->required();
  command->add_option("-c,--config", line.signing.config_file, "Configuration file with [[signing_keys]]");
  command->add_option("--set", line.signing.sets, "key=value over file and environment")->take_all();
  command->add_option("-k,--key", line.signing.key_id, "Id of the key (default: the last one)");
  command->add_option("-e,--expires", line.signing.lifetime, "How long it holds: 15m, 1h, 7d")->capture_default_str();
  command->add_option("-m,--method", line.signing.method, "GET (and HEAD), PROPFIND, PUT, DELETE")
      ->capture_default_str();
  command->add_flag("--below", line.signing.below, "For everything below the path too");
  command->add_option("--network", line.signing.network, "For clients of this network alone: 192.0.2.0/24");
  command->callback([&line] { line.code = print(sign_url(line.signing)); });
}

void add_config(CLI::App& app, command_line& line) {
  CLI::App* const command = app.add_subcommand("config", "Check, show and explain the configuration");
  command->require_subcommand(1);
  CLI::App* const check = command->add_subcommand("check", "Report every mistake of a file");
  check->add_option("file", line.checked_file, "Configuration file")->required();
  check->callback([&line] { line.code = print(config_check(line.checked_file)); });
  CLI::App* const show = command->add_subcommand("show", "The effective configuration, secrets masked");
  show->add_option("-c,--config", line.shown_file, "Configuration file")->envname("FOREBAY_CONFIG");
  show->add_option("--set", line.sets, "key=value over file and environment")->take_all();
  show->callback([&line] { line.code = print(config_show(line.shown_file, line.sets)); });
  CLI::App* const reference = command->add_subcommand("reference", "Every setting, as Markdown");
  reference->callback([&line] { line.code = print(config_reference()); });
}

void add_store(CLI::App& app, command_line& line) {
  CLI::App* const command = app.add_subcommand("store", "A directory of the disk tier, while no node uses it");
  command->require_subcommand(1);
  CLI::App* const check = command->add_subcommand("check", "Read and verify everything; tell what is damaged");
  check->add_option("directory", line.store_directory, "Path of a node.disk")->required();
  check->callback([&line] { line.code = print(store_check(line.store_directory)); });
  CLI::App* const stat = command->add_subcommand("stat", "What lies in it");
  stat->add_option("directory", line.store_directory, "Path of a node.disk")->required();
  stat->callback([&line] { line.code = print(store_stat(line.store_directory)); });
}

void add_metrics(CLI::App& app) {
  CLI::App* const command = app.add_subcommand("metrics", "About the metrics of a node");
  command->require_subcommand(1);
  CLI::App* const reference = command->add_subcommand("reference", "Every metric, as Markdown");
  reference->callback([] { std::fputs(metrics_reference().c_str(), stdout); });
}

} // namespace

int run(int argc, char** argv) {
  CLI::App app("Forebay keeps scientific data next to the machines that compute on it.", "forebay");
  app.require_subcommand(1);
  app.fallthrough(false);
  app.footer(footer);
  app.failure_message(usage_complaint);
  command_line line;
  add_serve(app, line);
  add_get(app, line);
  add_prefetch(app, line);
  add_purge(app, line);
  add_status(app, line);
  add_sign(app, line);
  add_config(app, line);
  add_store(app, line);
  add_metrics(app);
  CLI::App* const version = app.add_subcommand("version", "The version of this program");
  version->callback([] { std::fputs("forebay " FOREBAY_VERSION "\n", stdout); });
  app.set_version_flag("--version", "forebay " FOREBAY_VERSION);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& problem) {
    const int code = app.exit(problem);
    return code == 0 ? exit_ok : exit_usage; // help and version are no mistakes
  } catch (const std::exception& what) {
    complain(what.what());
    return exit_failed;
  }
  return line.code;
}

} // namespace forebay::app
