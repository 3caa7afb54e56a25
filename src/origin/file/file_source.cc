#include "origin/file/file_source.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <mutex>
#include <thread>
#include <unordered_map>

#include "base/limit_counter.h"
#include "base/text.h"
#include "base/units.h"
#include "http/date.h"
#include "http/etag.h"
#include "origin/file/file_body.h"
#include "origin/found_object.h"
#include "origin/http_source.h"
#include "origin/listing_walk.h"
#include "origin/origin_url.h"

namespace forebay::origin::file {
namespace {

/// How deep a recursive listing goes.
constexpr std::size_t directory_levels = 64;

/// Ending a pool waits for its threads, and one of them may hang in a file server: never on a loop, which may be what
/// holds the last source of a configuration that a reload replaced.
void end_aside(net::worker_pool* pool) {
  std::thread([pool] { delete pool; }).detach();
}

metrics::counter& bytes_counter(const std::string& name) {
  const std::array<metrics::label, 1> of = {metrics::label{"origin", name}};
  return metrics::global().get_counter("forebay_origin_bytes_total", "Bytes of bodies received from each origin.", of);
}

std::string_view word_of(symlink_policy policy) {
  if (policy == symlink_policy::follow) return "follow";
  return policy == symlink_policy::refuse ? "refuse" : "inside";
}

found_object describe(const open_file& opened, const std::string& key) {
  found_object found;
  found.length_bytes = opened.version.size_bytes;
  found.fields.add("Content-Type", media_type_of(key));
  if (!opened.settled) return found; // nor a Last-Modified, which others would take for a validator
  found.etag = opened.version.etag();
  found.pinned = {validator_kind::strong_etag, found.etag};
  const wall_time modified{std::chrono::nanoseconds(opened.version.modified_ns)};
  found.fields.add("Last-Modified", http::format_date(modified));
  return found;
}

/// `changed` where a condition of the request does not hold. What cannot be looked at is neither there nor not there.
result<void> check_conditions(const tree& of, const std::string& key, const http::header_table& fields) {
  static constexpr std::array<const char*, 4> conditions = {"If-Match", "If-None-Match", "If-Modified-Since",
                                                            "If-Unmodified-Since"};
  if (std::none_of(conditions.begin(), conditions.end(), [&](const char* name) { return fields.has(name); })) return {};
  const auto there = open_regular(of, key);
  if (!there && there.error().kind != error_kind::not_found) return fail(there.error());
  bool hold = !fields.has("If-Match"); // without a representation no tag matches, and all others hold (RFC 9110 §13.1)
  if (there) {
    http::validators have;
    have.tag = http::parse_etag(there->version.etag());
    have.last_modified = wall_time(std::chrono::nanoseconds(there->version.modified_ns));
    const auto said = http::evaluate_preconditions(fields, have, false, system_clock().wall());
    hold = said == http::precondition::proceed;
  }
  if (hold) return {};
  return fail(error_kind::changed, of.name, "a condition of the request does not hold");
}

bool must_be_new(const http::header_table& fields) {
  const auto tags = http::parse_etag_list(fields.joined("If-None-Match").value_or(""));
  return tags && tags->any;
}

write_answer answer_of(unsigned status) {
  write_answer made;
  made.head.status = status;
  made.head.fields.add("Content-Length", "0");
  made.body = make_empty_body();
  return made;
}

} // namespace

std::shared_ptr<net::worker_pool> workers_of(const std::string& root, const origin_limits& limits) {
  static std::mutex mutex;
  static std::unordered_map<std::string, std::weak_ptr<net::worker_pool>> known;
  const std::lock_guard lock(mutex);
  auto found = known[root].lock();
  if (!found) {
    found.reset(new net::worker_pool(limits.file_threads, limits.file_queue, &metrics::refused_by("file_queue")),
                end_aside);
    known[root] = found;
  }
  return found;
}

result<tree> file_source::parse(std::string_view url) {
  auto parsed = parse_origin_url(url, "file", {"symlinks", "settle", "present", "tree"});
  if (!parsed) return fail(std::move(parsed.error()));
  tree of;
  of.root = "/" + parsed->path;
  of.name = "file://" + of.root;
  const auto invalid = [&](std::string why) { return fail(error_kind::invalid_input, of.name, std::move(why)); };
  if (url.substr(url.find("://")).substr(0, 4) != ":///" || ("/" + of.root + "/").find("/../") != std::string::npos) {
    return invalid("expected file:///absolute/path without a host and without \"..\"");
  }
  const std::string links = parsed->get("symlinks");
  if (links == "follow") of.symlinks = symlink_policy::follow;
  if (links == "refuse") of.symlinks = symlink_policy::refuse;
  if (!links.empty() && links != word_of(of.symlinks)) {
    return invalid(fmt::format("found symlinks={}, expected inside, follow or refuse", links));
  }
  if (const std::string settle = parsed->get("settle"); !settle.empty()) {
    const auto span = parse_duration(settle);
    if (!span) return invalid(fmt::format("found settle={}, expected a duration such as 5s", settle));
    of.settle = *span;
  }
  of.present = parsed->get("present");
  if (!of.present.empty() && (!is_tree_key(of.present) || of.present.find('/') != std::string::npos)) {
    return invalid(fmt::format("found present={}, expected the name of a file or directory in the root", of.present));
  }
  return of;
}

result<std::shared_ptr<source>> file_source::make(std::string_view url, const source_settings& settings) {
  auto of = parse(url);
  if (!of) return fail(std::move(of.error()));
  if (!settings.operator_named) { // no path that a reader names may ever lead to this node's files
    return fail(error_kind::forbidden, of->name, "files are origins of namespaces alone");
  }
  const auto parsed = parse_origin_url(url, "file", {"symlinks", "settle", "present", "tree"});
  // The same path is another tree on another node, unless the operator says that it is not.
  const std::string shared = parsed->get("tree");
  std::string endpoint = shared.empty() ? "file://node:" + settings.node_name : "file://tree:" + shared;
  return std::make_shared<file_source>(std::move(*of), std::move(endpoint), settings);
}

file_source::file_source(tree of, std::string endpoint, const source_settings& settings)
    : tree_(std::make_shared<const tree>(std::move(of))),
      endpoint_(std::move(endpoint)),
      workers_(workers_of(tree_->root, settings.limits)),
      gate_(gate::find(tree_->name, "file", settings.limits)),
      bytes_(bytes_counter(tree_->name)),
      limits_(settings.limits) {}

identity file_source::identify(const std::string& key, const std::string&) const {
  // What a link leads to differs with the policy, so bytes read under one are not shown under another.
  const std::string root = tree_->root == "/" ? std::string() : tree_->root;
  return {"file", endpoint_, "", root + "/" + key, std::string(word_of(tree_->symlinks)), ""};
}

net::task<result<read_answer>> file_source::read(read_request asked) {
  const auto self = shared_from_this();
  const net::deadline until = deadline_or(asked.until, self->limits_.read_timeout);
  std::function<result<std::shared_ptr<open_file>>()> work = [of = self->tree_, key = asked.key] {
    auto opened = open_regular(*of, key);
    if (!opened) return result<std::shared_ptr<open_file>>(fail(std::move(opened.error())));
    return result<std::shared_ptr<open_file>>(std::make_shared<open_file>(std::move(*opened)));
  };
  auto opened = co_await net::offload(*self->workers_, until, std::move(work));
  if (!opened) {
    self->gate_->count_error(opened.error());
    co_return fail(std::move(opened.error()));
  }
  auto framed = frame_answer(asked, describe(**opened, asked.key), self->name());
  if (!framed) co_return fail(std::move(framed.error()));
  if (!framed->bodiless) {
    framed->head.body = make_file_body({self->tree_, std::move(*opened), self->workers_, framed->body, &self->bytes_,
                                        self->limits_.read_timeout, self->gate_});
  }
  co_return std::move(framed->head);
}

net::task<result<listing>> file_source::list(list_request asked) {
  const auto self = shared_from_this();
  const net::deadline until = deadline_or(asked.until, self->limits_.read_timeout);
  directory_request next{"", asked.prefix, asked.continuation.empty() ? asked.start_after : asked.continuation,
                         asked.recursive, std::max<std::size_t>(asked.max_entries, 1) + 1};
  listing_walk walk(std::move(asked), directory_levels);
  while (auto directory = walk.next_directory()) {
    next.directory = std::move(*directory);
    std::function<result<std::vector<list_entry>>()> work = [of = self->tree_, next] {
      return read_directory(*of, next);
    };
    auto entries = co_await net::offload(*self->workers_, until, std::move(work));
    // What is not there has no keys; what went, or is closed to us, below the top has none that could be read.
    const bool top = next.prefix.starts_with(next.directory);
    const bool empty = !entries && (entries.error().kind == error_kind::not_found ||
                                    (!top && entries.error().kind == error_kind::forbidden));
    if (!entries && !empty) co_return fail(std::move(entries.error()));
    if (entries) walk.found(std::move(*entries));
  }
  auto page = std::make_shared<listing>(walk.take());
  std::function<result<void>()> work = [of = self->tree_, page] { return describe_entries(*of, page->entries); };
  auto described = co_await net::offload(*self->workers_, until, std::move(work));
  if (!described) co_return fail(std::move(described.error()));
  co_return std::move(*page);
}

net::task<result<void>> file_source::fill(std::shared_ptr<write_request> asked, std::shared_ptr<upload> to,
                                          net::deadline until) {
  const auto self = shared_from_this();
  std::uint64_t written = 0;
  while (asked->body != nullptr) {
    auto piece = co_await asked->body->next(file_piece_bytes);
    if (!piece) co_return fail(std::move(piece.error()));
    if (piece->empty()) break;
    written += piece->length_bytes();
    std::function<result<void>()> append = [to, bytes = *piece] { return to->write(bytes.bytes); };
    auto done = co_await net::offload(*self->workers_, until, std::move(append));
    if (!done) co_return fail(std::move(done.error()));
  }
  if (asked->length_bytes && *asked->length_bytes != written) {
    co_return fail(error_kind::broken, self->name(), "the body that was sent is shorter than its length");
  }
  co_return result<void>{};
}

net::task<result<bool>> file_source::put(std::shared_ptr<write_request> asked, net::deadline until) {
  const auto self = shared_from_this();
  using started = result<std::shared_ptr<upload>>;
  std::function<started()> begin = [of = self->tree_, asked] {
    if (auto hold = check_conditions(*of, asked->key, asked->fields); !hold) return started(fail(hold.error()));
    auto made = upload::begin(*of, asked->key);
    if (!made) return started(fail(std::move(made.error())));
    return started(std::make_shared<upload>(std::move(*made)));
  };
  auto target = co_await net::offload(*self->workers_, until, std::move(begin));
  if (!target) co_return fail(std::move(target.error()));
  auto filled = co_await self->fill(asked, *target, until);
  if (!filled) { // what was begun is removed by a worker, as that may take its time
    const bool queued = self->workers_->submit([to = std::move(*target)]() mutable { to.reset(); });
    (void)queued;
    co_return fail(std::move(filled.error()));
  }
  std::function<result<bool>()> finish = [to = *target, of = self->tree_, asked] {
    // Once more: another write may have come in between.
    const write_check again = [&] { return check_conditions(*of, asked->key, asked->fields); };
    return to->finish(again, must_be_new(asked->fields));
  };
  auto finished = co_await net::offload(*self->workers_, until, std::move(finish));
  co_return finished;
}

net::task<result<void>> file_source::remove(std::shared_ptr<write_request> asked, net::deadline until) {
  const auto self = shared_from_this();
  std::function<result<void>()> work = [of = self->tree_, asked] {
    return remove_file(*of, asked->key, [&] { return check_conditions(*of, asked->key, asked->fields); });
  };
  auto done = co_await net::offload(*self->workers_, until, std::move(work));
  co_return done;
}

net::task<result<write_answer>> file_source::write(write_request wanted) {
  const auto self = shared_from_this();
  const net::deadline until = deadline_or(wanted.until, self->limits_.read_timeout);
  const auto asked = std::make_shared<write_request>(std::move(wanted));
  error failure;
  if (asked->method == "PUT") {
    auto is_new = co_await self->put(asked, until);
    if (is_new) co_return answer_of(*is_new ? 201 : 204);
    failure = std::move(is_new.error());
  } else if (asked->method == "DELETE") {
    auto removed = co_await self->remove(asked, until);
    if (removed) co_return answer_of(204);
    failure = std::move(removed.error());
  } else {
    failure = {error_kind::unsupported, self->name(), "files are written by PUT and removed by DELETE"};
  }
  if (failure.kind == error_kind::changed) co_return answer_of(412);
  if (failure.kind == error_kind::not_found) co_return answer_of(404);
  self->gate_->count_error(failure);
  co_return fail(std::move(failure));
}

} // namespace forebay::origin::file
