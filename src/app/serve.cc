#include "app/serve.h"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <fmt/format.h>
#include <optional>
#include <sys/resource.h>
#include <system_error>

#include "app/config.h"
#include "app/config_commands.h"
#include "app/exit_codes.h"
#include "app/machine.h"
#include "app/node.h"
#include "app/notify.h"
#include "app/progress.h"
#include "base/log.h"
#include "base/units.h"

namespace forebay::app {
namespace {

/// How often a draining node looks whether its last connection has ended.
constexpr std::chrono::milliseconds drain_poll{20};

/// The signals that this process takes by asking for them. Blocked before the first thread starts, so that every
/// thread inherits the mask and none is interrupted.
sigset_t block_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int number : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&set, number);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  std::signal(SIGPIPE, SIG_IGN); // libraries write to sockets that their peers have closed
  return set;
}

int wait_signal(const sigset_t& set) {
  int number = 0;
  while (sigwait(&set, &number) != 0) {}
  return number;
}

/// The next signal within `span`, or 0.
int wait_signal_for(const sigset_t& set, std::chrono::milliseconds span) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(span);
  const timespec time{static_cast<std::time_t>(seconds.count()),
                      static_cast<long>(std::chrono::nanoseconds(span - seconds).count())};
  const int number = sigtimedwait(&set, nullptr, &time);
  return number > 0 ? number : 0;
}

/// Each connection and each origin exchange is a descriptor; the soft limit is often 1024 for reasons long gone.
void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max) return;
  limit.rlim_cur = limit.rlim_max;
  if (::setrlimit(RLIMIT_NOFILE, &limit) != 0)
    log::warn("serve", "cannot raise the limit of open files: {}", std::system_category().message(errno));
}

/// Whole or not at all: whoever waits for the file must not read half of it.
result<void> write_addresses(const std::string& path, const std::string& text) {
  const std::string fresh = path + ".new";
  std::FILE* const file = std::fopen(fresh.c_str(), "we");
  const bool written = file != nullptr && std::fwrite(text.data(), 1, text.size(), file) == text.size();
  const bool closed = file != nullptr && std::fclose(file) == 0;
  if (written && closed && std::rename(fresh.c_str(), path.c_str()) == 0) return {};
  return fail(error_kind::unreachable, "addresses",
              fmt::format("cannot write {}: {}", path, std::system_category().message(errno)));
}

/// Refuses when none of the directories that somebody asked for can be written: that is a mistake, or a disk that was
/// not mounted. One of several costs its share of the cache; the store leaves it out and counts it.
result<void> check_disks(std::vector<disk_config>& disks) {
  std::optional<error> first;
  std::size_t unusable = 0;
  std::erase_if(disks, [&](const disk_config& disk) {
    const auto writable = check_writable(disk.path);
    if (writable) return false;
    if (disk.by_default) {
      log::warn("serve", "without a disk tier: {}", writable.error().message());
      return true;
    }
    log::error("serve", "{}", writable.error().message());
    ++unusable;
    if (!first) first = writable.error();
    return false;
  });
  if (first && unusable == disks.size()) return fail(std::move(*first));
  return {};
}

int refuse_start(const error& why) {
  log::error("serve", "cannot start: {}", why.message());
  return exit_usage;
}

std::string summary(const node& running) {
  const config& now = running.running();
  return fmt::format("{}, {} of memory, {}", counted(now.namespaces.size(), "namespace"),
                     human_size(now.node.memory_bytes), counted(now.node.threads, "event loop"));
}

void reload(node& running, const serve_options& options) {
  notify_reloading();
  auto loaded = load_file(options.config_file, options.sets);
  if (!loaded) {
    for (const mistake& one : loaded.error()) log::error("serve", "reload: {}", one.message());
    log::error("serve", "reload: {}; the configuration stays as it is", counted(loaded.error().size(), "mistake"));
    running.count_failed_reload();
  } else if (const auto done = running.reload(std::move(*loaded)); !done) {
    log::error("serve", "reload: {}; the configuration stays as it is", done.error().message());
    running.count_failed_reload();
  } else {
    log::info("serve", "reloaded: {}", summary(running));
  }
  notify_ready(summary(running));
}

/// The next signal; meanwhile the files of certificates are watched.
int next_signal(node& running, const sigset_t& signals) {
  const auto watch = running.running().tls.watch;
  if (watch == watch.zero()) return wait_signal(signals);
  for (;;) {
    const int number = wait_signal_for(signals, watch);
    if (number != 0) return number;
    running.refresh_certificates();
  }
}

/// Waits for the last connection, until the deadline or a second signal to end.
void drain(node& running, const sigset_t& signals) {
  running.begin_drain();
  const auto timeout = running.running().node.drain_timeout;
  const auto until = std::chrono::steady_clock::now() + timeout;
  log::info("serve", "draining {}, for at most {}", counted(running.open_connections(), "connection"),
            format_duration(timeout));
  notify_stopping("draining");
  while (running.open_connections() > 0 && std::chrono::steady_clock::now() < until) {
    const int number = wait_signal_for(signals, drain_poll);
    if (number == SIGTERM || number == SIGINT) break;
  }
  if (const auto left = running.open_connections(); left > 0)
    log::warn("serve", "cut off: {}", counted(left, "connection"));
}

} // namespace

int serve(const serve_options& options) {
  const sigset_t signals = block_signals();
  auto loaded = load_file(options.config_file, options.sets);
  if (!loaded) {
    std::fputs(explain(loaded.error()).c_str(), stderr);
    return exit_usage;
  }
  if (const auto usable = check_disks(loaded->node.disks); !usable) return refuse_start(usable.error());
  raise_descriptor_limit();
  auto made = node::make(std::move(*loaded));
  if (!made) return refuse_start(made.error());
  node& running = **made;
  log::info("serve", "forebay " FOREBAY_VERSION " as {}: {}", running.running().node.name, summary(running));
  if (const auto listening = running.listen(); !listening) return refuse_start(listening.error());
  if (!options.addresses_file.empty()) {
    const auto written = write_addresses(options.addresses_file, render_addresses(running.listeners()));
    if (!written) return refuse_start(written.error());
  }
  notify_ready(summary(running));
  for (;;) {
    const int number = next_signal(running, signals);
    if (number == SIGHUP) {
      reload(running, options);
      continue;
    }
    drain(running, signals);
    made->reset();
    log::info("serve", "ended");
    return exit_ok;
  }
}

} // namespace forebay::app
