#include "app/get.h"

#include <cerrno>
#include <cstdio>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <system_error>
#include <unistd.h>

#include "app/exit_codes.h"
#include "app/node_client.h"
#include "app/output_file.h"
#include "app/progress.h"
#include "app/store_url.h"
#include "base/text.h"
#include "base/units.h"
#include "http/etag.h"
#include "http/range.h"
#include "net/wait.h"
#include "origin/checked_body.h"

namespace forebay::app {
namespace {

constexpr std::size_t read_step_bytes = 1024 * 1024;
/// Attempts without a byte of progress before we give up; the part stays for the next run.
constexpr unsigned idle_attempts = 4;
constexpr std::chrono::milliseconds retry_pause{500};

bool is_strong(std::string_view tag) {
  const auto parsed = http::parse_etag(tag);
  return parsed && !parsed->weak;
}

std::string quoted_etag(const http::header_table& fields) {
  const std::string tag(fields.get("etag").value_or(""));
  return is_strong(tag) ? tag : std::string();
}

/// Standard output as a sink.
result<void> write_stdout(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::write(STDOUT_FILENO, bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) {
      return fail(error_kind::internal, "standard output", std::system_category().message(errno));
    }
    bytes = bytes.subspan(static_cast<std::size_t>(count));
  }
  return {};
}

/// One download: its goal, and how far it has come.
struct download {
  get_options options;
  std::string target;
  std::unique_ptr<output_file> file;             ///< null: standard output
  partial_state state;                           ///< its etag is empty until a version is known that can be resumed
  std::optional<std::uint64_t> length_bytes;     ///< of what is fetched, once known
  std::optional<origin::expected_digest> digest; ///< of the whole object
  bool resumed = false;
  std::uint64_t done_bytes = 0;
};

/// What an earlier run left, if it is of a version that can be told apart.
void take_up_partial(download& job) {
  if (job.file == nullptr || !job.options.range.empty()) return;
  const auto noted = parse_partial_state(job.file->read_notes());
  const std::uint64_t held = job.file->partial_bytes();
  if (!noted || noted->target != job.target || held == 0 || held > noted->length_bytes) return;
  job.state = *noted;
  // The last byte is asked for again when all are there: the answer proves that they still are the object's.
  job.done_bytes = std::min(held, noted->length_bytes - 1);
  job.resumed = true;
}

http::header_table request_fields(const download& job) {
  http::header_table fields;
  fields.add("Accept-Encoding", "identity");
  fields.add("x-amz-checksum-mode", "ENABLED"); // S3 tells its checksum when it is asked
  if (!job.options.token.empty()) fields.add("Authorization", "Bearer " + job.options.token);
  if (!job.options.range.empty()) {
    fields.add("Range", "bytes=" + job.options.range);
  } else if (job.done_bytes > 0) {
    fields.add("Range", fmt::format("bytes={}-", job.done_bytes));
    fields.add("If-Range", job.state.etag);
  }
  return fields;
}

net::task<result<void>> copy_body(download& job, std::unique_ptr<http::client_body> body, std::uint64_t end,
                                  progress_line& progress) {
  std::vector<std::byte> buffer(read_step_bytes);
  for (;;) {
    auto count = co_await body->read_some(buffer);
    if (!count) co_return fail(count.error());
    if (*count == 0) break;
    const auto piece = std::span<const std::byte>(buffer).first(*count);
    const auto written = job.file ? job.file->write(piece) : write_stdout(piece);
    if (!written) co_return fail(written.error());
    job.done_bytes += *count;
    progress.show(job.done_bytes, job.length_bytes);
  }
  if (end != UINT64_MAX && job.done_bytes != end) {
    co_return fail(error_kind::broken, "node", fmt::format("the body ended after {} of {} bytes", job.done_bytes, end),
                   true);
  }
  co_return result<void>{};
}

/// Prepares the job for the bytes of this answer: where they go, and what is to be remembered of its version.
result<void> begin_answer(download& job, const http::response_head& head, const body_place& place) {
  const bool ranged = !job.options.range.empty();
  if (!ranged && head.status == 200) {
    job.done_bytes = 0; // another version, or the first answer: from the start
    job.resumed = false;
    job.digest = origin::find_digest(head.fields);
  }
  if (!ranged && head.status == 206 && quoted_etag(head.fields) != job.state.etag) {
    return fail(error_kind::broken, "node",
                "it continued another version of the object than the one that was asked for");
  }
  job.length_bytes = ranged ? std::optional(place.end - place.begin) : place.object_bytes;
  if (job.file != nullptr) {
    const auto opened = job.file->open(ranged ? 0 : job.done_bytes);
    if (!opened) return opened;
  }
  if (ranged || job.file == nullptr) return {};
  job.state = {job.target, quoted_etag(head.fields), place.object_bytes.value_or(0)};
  const bool can_resume = !job.state.etag.empty() && place.object_bytes && *place.object_bytes > 0;
  if (!can_resume) {
    job.state.etag.clear();
    return {};
  }
  return job.file->write_notes(render_partial_state(job.state));
}

net::task<result<void>> attempt(download& job, progress_line& progress) {
  const bool ranged = !job.options.range.empty();
  std::optional<std::uint64_t> asked_from;
  if (!ranged && job.done_bytes > 0) asked_from = job.done_bytes;
  if (ranged) job.done_bytes = 0;
  auto answer = co_await ask_node(job.options.node_url, "GET", job.target, request_fields(job));
  if (!answer) co_return fail(answer.error());
  if (answer->head.status >= 400) {
    error why = co_await failure_of(std::move(*answer));
    co_return fail(std::move(why));
  }
  if (ranged && answer->head.status != 206) {
    co_return fail(error_kind::unsupported, "node",
                   fmt::format("it answered {} to a range: the object cannot be read in parts", answer->head.status));
  }
  const auto place = place_of(answer->head, asked_from);
  if (!place) co_return fail(place.error());
  const auto begun = begin_answer(job, answer->head, *place);
  if (!begun) co_return begun;
  std::uint64_t end = place->end;
  if (ranged) end = place->end - place->begin;
  auto copied = co_await copy_body(job, std::move(answer->body), end, progress);
  co_return copied;
}

/// Checksums come with whole answers; after a resumed one they are asked for.
net::task<void> learn_digest(download& job) {
  http::header_table fields = request_fields(job);
  fields.remove("range");
  fields.remove("if-range");
  fields.add("If-Match", job.state.etag);
  auto answer = co_await ask_node(job.options.node_url, "HEAD", job.target, std::move(fields));
  if (answer && answer->head.status == 200) job.digest = origin::find_digest(answer->head.fields);
}

net::task<result<std::string>> verify(download& job) {
  if (job.file == nullptr || !job.options.range.empty()) co_return std::string();
  if (job.resumed) co_await learn_digest(job);
  if (!job.digest) co_return std::string();
  const auto computed = job.file->digest(job.digest->kind);
  if (!computed) co_return fail(computed.error());
  if (*computed != job.digest->value) {
    job.file->discard();
    co_return fail(error_kind::broken, "checksum",
                   fmt::format("the bytes do not have the {} that {} tells; the download was removed",
                               to_string(job.digest->kind), job.digest->field));
  }
  co_return fmt::format("{} verified", to_string(job.digest->kind));
}

bool worth_retrying(const download& job, const error& why) {
  // To standard output nothing can be taken back; without a validator nothing can be continued.
  const bool restarts = job.done_bytes == 0 || !job.options.range.empty();
  const bool can_continue = job.file != nullptr ? restarts || !job.state.etag.empty() : job.done_bytes == 0;
  return can_continue && why.retryable;
}

net::task<int> get(get_options options, std::string target) {
  download job{std::move(options), std::move(target), nullptr, {}, {}, {}, false, 0};
  if (job.options.output != "-") job.file = std::make_unique<output_file>(job.options.output);
  take_up_partial(job);
  progress_line progress(!job.options.quiet);
  const auto started = std::chrono::steady_clock::now();
  unsigned idle = 0;
  for (;;) {
    const std::uint64_t before = job.done_bytes;
    auto done = co_await attempt(job, progress);
    if (done) break;
    progress.clear();
    idle = job.done_bytes > before ? 0 : idle + 1;
    const error why = done.error();
    if (idle >= idle_attempts || !worth_retrying(job, why)) {
      if (job.file != nullptr && origin::is_checksum_mismatch(why)) job.file->discard();
      complain(why.message());
      co_return exit_code_of(why);
    }
    co_await net::sleep_for(why.retry_after ? std::chrono::milliseconds(*why.retry_after) : retry_pause);
  }
  progress.clear();
  auto verified = co_await verify(job);
  result<void> finished;
  if (!verified) {
    finished = fail(verified.error());
  } else if (job.file != nullptr) {
    finished = job.file->finish();
  }
  if (!finished) {
    complain(finished.error().message());
    co_return exit_failed;
  }
  if (!job.options.quiet && job.file != nullptr) {
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - started;
    std::fputs(fmt::format("{}: {} bytes in {:.1f} s{}{}\n", job.options.output, job.done_bytes, took.count(),
                           verified->empty() ? "" : ", ", *verified)
                   .c_str(),
               stderr);
  }
  co_return exit_ok;
}

} // namespace

std::string render_partial_state(const partial_state& state) {
  nlohmann::ordered_json notes;
  notes["target"] = to_valid_utf8(state.target);
  notes["etag"] = to_valid_utf8(state.etag);
  notes["length"] = state.length_bytes;
  return notes.dump() + "\n";
}

std::optional<partial_state> parse_partial_state(const std::string& json) {
  const auto notes = nlohmann::json::parse(json, nullptr, false);
  if (!notes.is_object()) return std::nullopt;
  const auto target = notes.find("target"), etag = notes.find("etag"), length = notes.find("length");
  const bool fits = target != notes.end() && target->is_string() && etag != notes.end() && etag->is_string() &&
                    length != notes.end() && length->is_number_unsigned();
  if (!fits) return std::nullopt;
  partial_state state{target->get<std::string>(), etag->get<std::string>(), length->get<std::uint64_t>()};
  if (!is_strong(state.etag) || state.length_bytes == 0) return std::nullopt;
  return state;
}

result<body_place> place_of(const http::response_head& head, std::optional<std::uint64_t> asked_from) {
  const auto contradicts = [](std::string context) {
    return fail(error_kind::broken, "node", std::move(context), true);
  };
  std::optional<std::uint64_t> length;
  if (const auto text = head.fields.get("content-length")) length = parse_u64(*text);
  if (head.status == 200) return body_place{0, length.value_or(UINT64_MAX), length};
  if (head.status != 206) return contradicts(fmt::format("it answered {}, which is no body", head.status));
  const auto text = head.fields.get("content-range");
  const auto range = text ? http::parse_content_range(*text) : std::nullopt;
  if (!range || !range->range) return contradicts("a 206 came without the Content-Range of one part");
  if (asked_from && range->range->begin != *asked_from) {
    return contradicts(fmt::format("bytes from {} were asked for, from {} came", *asked_from, range->range->begin));
  }
  if (length && *length != range->range->length_bytes())
    return contradicts("Content-Length and Content-Range disagree");
  return body_place{range->range->begin, range->range->end, range->length_bytes};
}

int run_get(const get_options& asked) {
  get_options options = asked;
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
  if (!options.range.empty()) {
    const auto ranges = http::parse_range("bytes=" + options.range);
    if (!ranges || ranges->size() != 1) {
      complain("--range is one range: first-last, first- or -count, found \"" + options.range + "\"");
      return exit_usage;
    }
  }
  if (!take_token(options.token_file, &options.token)) return exit_usage;
  if (options.output.empty()) options.output = file_name_of(*target);
  if (options.output.empty()) {
    complain("the URL names no file: say where to write with --output");
    return exit_usage;
  }
  return run_command([options, target = *target] { return get(options, target); });
}

} // namespace forebay::app
