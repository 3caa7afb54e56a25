#include "app/prefetch.h"

#include <cstdio>
#include <deque>
#include <fmt/format.h>
#include <memory>
#include <optional>
#include <vector>

#include "app/dav_listing.h"
#include "app/exit_codes.h"
#include "app/node_client.h"
#include "app/progress.h"
#include "app/store_url.h"
#include "app/zarr_keys.h"
#include "base/text.h"
#include "base/units.h"
#include "http/headers.h"
#include "net/wait.h"

namespace forebay::app {
namespace {

constexpr std::size_t listing_bytes_max = 256u << 20;
constexpr std::size_t metadata_bytes_max = 64u << 20;
constexpr std::size_t read_step_bytes = 256 * 1024;
constexpr unsigned attempts = 3;
constexpr std::chrono::milliseconds retry_pause{500};
/// A worker without work looks again after this long even if nobody woke it.
constexpr std::chrono::milliseconds idle_wait{1'000};
/// Failures that are written out; of the others the number is.
constexpr std::size_t failures_shown = 20;

struct task_entry {
  enum class kind { directory, object, optional_object /* a chunk that may not be there */ };
  kind what;
  std::string target; ///< path on the node, percent-encoded
};

/// The work and what came of it. On one loop: no locks.
struct prefetch_job {
  std::string node_url;
  http::header_table fields;      ///< of every request: the reader's token
  std::deque<task_entry> waiting; ///< objects in front, so that listings never pile up
  unsigned busy = 0;
  std::vector<net::event> idle;
  std::uint64_t known_objects = 0, done_objects = 0, held_objects = 0, absent_objects = 0, bytes = 0;
  std::uint64_t known_bytes = 0;
  std::vector<std::string> failures;
  std::uint64_t failed = 0;
  std::optional<error> first_failure;

  void add_object(std::string target, std::optional<std::uint64_t> length_bytes) {
    ++known_objects;
    known_bytes += length_bytes.value_or(0);
    waiting.push_front({task_entry::kind::object, std::move(target)});
  }
  void wake() {
    for (const net::event& one : idle) one.notify();
    idle.clear();
  }
  void fail_at(const std::string& target, const error& why) {
    ++failed;
    if (!first_failure) first_failure = why;
    if (failures.size() < failures_shown) failures.push_back(fmt::format("{}: {}", target, why.message()));
  }
};

net::task<result<std::vector<dav_entry>>> list(std::string node_url, http::header_table fields, std::string target,
                                               const char* depth) {
  fields.add("Depth", depth);
  auto answer = co_await ask_node(std::move(node_url), "PROPFIND", target, std::move(fields));
  if (!answer) co_return fail(answer.error());
  if (answer->head.status != 207) {
    error why = co_await failure_of(std::move(*answer));
    co_return fail(std::move(why));
  }
  auto text = co_await read_text(std::move(answer->body), listing_bytes_max);
  if (!text) co_return fail(text.error());
  co_return parse_listing(*text, target.substr(0, target.find('?')));
}

/// What reading one object to its end told.
struct object_read {
  std::uint64_t bytes = 0;
  bool held = false; ///< the node had it already
};

net::task<result<object_read>> read_object(std::string node_url, http::header_table fields, std::string target) {
  fields.add("Accept-Encoding", "identity");
  auto answer = co_await ask_node(std::move(node_url), "GET", std::move(target), std::move(fields));
  if (!answer) co_return fail(answer.error());
  if (answer->head.status != 200) {
    error why = co_await failure_of(std::move(*answer));
    co_return fail(std::move(why));
  }
  object_read done;
  const auto status = answer->head.fields.joined("cache-status");
  done.held = status && status->find("; hit") != std::string::npos;
  std::vector<std::byte> buffer(read_step_bytes);
  for (;;) {
    auto count = co_await answer->body->read_some(buffer);
    if (!count) co_return fail(count.error());
    if (*count == 0) co_return done;
    done.bytes += *count;
  }
}

net::task<void> do_object(prefetch_job& job, task_entry entry) {
  result<object_read> done = fail(error_kind::internal, "prefetch", "not tried");
  for (unsigned attempt = 1; attempt <= attempts; ++attempt) {
    done = co_await read_object(job.node_url, job.fields, entry.target);
    if (done || !done.error().retryable || attempt == attempts) break;
    const auto asked = done.error().retry_after;
    co_await net::sleep_for(asked ? std::chrono::milliseconds(*asked) : retry_pause * attempt);
  }
  if (done) {
    ++job.done_objects;
    job.held_objects += done->held ? 1 : 0;
    job.bytes += done->bytes;
  } else if (entry.what == task_entry::kind::optional_object && done.error().kind == error_kind::not_found) {
    ++job.absent_objects;
  } else {
    job.fail_at(entry.target, done.error());
  }
}

net::task<void> do_directory(prefetch_job& job, std::string target) {
  auto entries = co_await list(job.node_url, job.fields, target, "1");
  if (!entries) {
    job.fail_at(target, entries.error());
    co_return;
  }
  for (dav_entry& one : *entries) {
    if (one.collection) {
      job.waiting.push_back({task_entry::kind::directory, std::move(one.path)});
    } else {
      job.add_object(std::move(one.path), one.length_bytes);
    }
  }
  job.wake();
}

net::task<void> work(std::shared_ptr<prefetch_job> job) {
  for (;;) {
    if (job->waiting.empty()) {
      if (job->busy == 0) {
        job->wake();
        co_return;
      }
      net::event woken;
      job->idle.push_back(woken);
      co_await woken.wait(net::deadline::after(idle_wait));
      continue;
    }
    task_entry entry = std::move(job->waiting.front());
    job->waiting.pop_front();
    ++job->busy;
    if (entry.what == task_entry::kind::directory) {
      co_await do_directory(*job, std::move(entry.target));
    } else {
      co_await do_object(*job, std::move(entry));
    }
    --job->busy;
    if (job->waiting.empty()) job->wake();
  }
}

net::task<void> work_and_tell(std::shared_ptr<prefetch_job> job, std::shared_ptr<unsigned> left, net::event ended) {
  co_await work(std::move(job));
  if (--*left == 0) ended.notify();
}

/// The metadata of a Zarr store at `target`, where there is one; queues its keys.
net::task<bool> queue_zarr(std::shared_ptr<prefetch_job> job, std::string target) {
  std::string base = target.substr(0, target.find('?'));
  const std::string query = target.substr(base.size());
  if (!base.ends_with('/')) base.push_back('/');
  for (const std::string_view name :
       {std::string_view(".zmetadata"), std::string_view("zarr.json"), std::string_view(".zarray")}) {
    http::header_table fields = job->fields;
    const std::string key = base + std::string(name) + query;
    auto answer = co_await ask_node(job->node_url, "GET", key, std::move(fields));
    if (!answer || answer->head.status != 200) continue;
    auto text = co_await read_text(std::move(answer->body), metadata_bytes_max);
    if (!text) continue;
    const auto store = parse_zarr_metadata(name, *text);
    if (!store) continue;
    for (const std::string& one : store->metadata_keys) {
      ++job->known_objects;
      job->waiting.push_back({task_entry::kind::optional_object, base + percent_encode(one, "/") + query});
    }
    for (const zarr_array& array : store->arrays) {
      job->known_objects += chunk_count(array);
      each_chunk_key(array, [&](std::string chunk) {
        job->waiting.push_back({task_entry::kind::optional_object, base + percent_encode(chunk, "/") + query});
      });
    }
    co_return true;
  }
  co_return false;
}

/// Puts the first work into the queue; the failure to report where there is nothing to fetch.
net::task<result<void>> queue_start(std::shared_ptr<prefetch_job> job, std::string target) {
  auto entries = co_await list(job->node_url, job->fields, target, "0");
  if (!entries) {
    const auto kind = entries.error().kind;
    const bool may_be_zarr = kind == error_kind::not_found || kind == error_kind::unsupported;
    bool found = false;
    if (may_be_zarr) found = co_await queue_zarr(job, target);
    if (found) co_return result<void>{};
    co_return fail(entries.error());
  }
  if (entries->empty()) { // the collection itself
    std::string directory = target.substr(0, target.find('?'));
    if (!directory.ends_with('/')) directory.push_back('/');
    job->waiting.push_back({task_entry::kind::directory, std::move(directory)});
  } else {
    job->add_object(target, entries->front().length_bytes);
  }
  co_return result<void>{};
}

net::task<void> show_progress(std::shared_ptr<prefetch_job> job, std::shared_ptr<unsigned> left,
                              std::shared_ptr<progress_line> line) {
  constexpr std::chrono::milliseconds interval{200};
  while (*left > 0) {
    const std::uint64_t done = job->done_objects + job->absent_objects + job->failed;
    std::optional<double> share;
    if (job->known_objects > 0) share = static_cast<double>(done) / static_cast<double>(job->known_objects);
    line->show(job->known_objects == 0
                   ? std::string("looking what there is")
                   : fmt::format("{}/{} objects, {}", done, job->known_objects, human_size(job->bytes)),
               share);
    co_await net::sleep_for(interval);
  }
}

int report(const prefetch_job& job, bool quiet, std::chrono::duration<double> took) {
  for (const std::string& one : job.failures) complain(one);
  if (job.failed > job.failures.size()) complain(fmt::format("and {} more", job.failed - job.failures.size()));
  if (!quiet) {
    std::fputs(fmt::format("{}, {} in {:.1f} s; {} were held already{}{}\n", counted(job.done_objects, "object"),
                           human_size(job.bytes), took.count(), job.held_objects,
                           job.absent_objects > 0 ? fmt::format(", {} chunks are not stored", job.absent_objects) : "",
                           job.failed > 0 ? fmt::format(", {} failed", job.failed) : "")
                   .c_str(),
               stdout);
  }
  if (job.failed == 0) return exit_ok;
  return job.done_objects == 0 ? exit_code_of(*job.first_failure) : static_cast<int>(exit_failed);
}

net::task<int> prefetch(prefetch_options options, std::string target) {
  const auto started = std::chrono::steady_clock::now();
  auto job = std::make_shared<prefetch_job>();
  job->node_url = options.node_url;
  if (!options.token.empty()) job->fields.add("Authorization", "Bearer " + options.token);
  auto queued = co_await queue_start(job, target);
  if (!queued) {
    complain(queued.error().message());
    co_return exit_code_of(queued.error());
  }
  auto line = std::make_shared<progress_line>(!options.quiet);
  auto left = std::make_shared<unsigned>(options.jobs);
  const net::event ended;
  for (unsigned i = 0; i < options.jobs; ++i) net::loop::current().spawn(work_and_tell(job, left, ended));
  net::loop::current().spawn(show_progress(job, left, line));
  constexpr std::chrono::hours patience{24}; // every wait inside has its own deadline
  while (*left > 0) co_await ended.wait(net::deadline::after(patience));
  line->clear();
  co_return report(*job, options.quiet, std::chrono::steady_clock::now() - started);
}

} // namespace

int run_prefetch(const prefetch_options& asked) {
  prefetch_options options = asked;
  const auto node_url = normalise_node_url(options.node_url);
  if (!node_url) {
    complain(node_url.error().message());
    return exit_usage;
  }
  options.node_url = *node_url;
  const auto target = map_to_node(options.url, options.node_url);
  if (!target) {
    complain(target.error().message());
    return exit_usage;
  }
  if (!take_token(options.token_file, &options.token)) return exit_usage;
  return run_command([options, target = *target] { return prefetch(options, target); }, options.jobs);
}

} // namespace forebay::app
