#include "cache/record.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "base/log.h"
#include "cache/boot.h"

namespace forebay::cache {
namespace {

using nlohmann::json;
using std::chrono::seconds;

constexpr int record_version = 1;
constexpr unsigned usual_version = 11; ///< of HTTP, where nothing is written of it
/// What its numbers can be: a status, a time of writing up to the year 2242, an age as RFC 9111 saturates it.
constexpr std::uint64_t status_max = 599, written_max = 1ull << 33, age_max = (1ull << 31) - 1;
constexpr std::uint64_t steady_max = 1ull << 33; ///< seconds since the machine was started
/// Between the parts of a rule: a character that no identity holds.
constexpr char separator = '\x1F';
/// A look at the record: a disk that is slower than this is passed over, and the origin asked.
constexpr std::chrono::seconds restore_timeout{2};

json fields_of(const http::header_table& fields) {
  json list = json::array();
  fields.each([&](std::string_view name, std::string_view value) {
    list.push_back(json::array({std::string(name), std::string(value)}));
  });
  return list;
}

void read_fields(const json& from, http::header_table& into) {
  for (const json& each : from) into.add(each.at(0).get<std::string>(), each.at(1).get<std::string>());
}

/// A whole number that lies within [0, most].
std::uint64_t number_in(const json& from, std::uint64_t most) {
  if (!from.is_number_unsigned() || from.get<std::uint64_t>() > most)
    throw std::out_of_range("a number that cannot be");
  return from.get<std::uint64_t>();
}

seconds since_epoch(wall_time at) { return std::chrono::floor<seconds>(at.time_since_epoch()); }
seconds since_boot(steady_time at) { return std::chrono::floor<seconds>(at.time_since_epoch()); }

/// Time since the record was written. The wall clock may have been set meanwhile: where the machine was not booted
/// since, the steady one knows at least how long it ran. From the future: nobody knows, so that nothing of it is fresh.
seconds time_away(const json& document, seconds by_wall, steady_time now) {
  if (by_wall < seconds{0}) return seconds::max() / 2;
  const std::uint64_t boot = boot_fingerprint();
  if (boot == 0 || document.value("boot", std::uint64_t{0}) != boot) return by_wall;
  const seconds then(number_in(document.at("steady"), steady_max));
  return std::max(by_wall, since_boot(now) - then);
}

std::optional<kept_name> read_kept(const json& document) {
  if (!document.contains("kept")) return std::nullopt;
  const json& parts = document.at("kept");
  return kept_name{parts.at(0).get<std::string>(), parts.at(1).get<std::string>()};
}

/// Looks at a record before it is built: the parser goes as deep as the record nests and believes its counts.
struct shape {
  static constexpr unsigned depth_max = 8;
  std::size_t bytes; ///< of the whole record: nothing in it has more parts
  unsigned depth = 0;

  bool enter(std::size_t parts) { return ++depth <= depth_max && (parts <= bytes || parts == std::size_t(-1)); }
  bool leave() { return depth-- > 0; }
  bool start_object(std::size_t parts) { return enter(parts); }
  bool start_array(std::size_t parts) { return enter(parts); }
  bool end_object() { return leave(); }
  bool end_array() { return leave(); }
  bool null() { return true; }
  bool boolean(bool) { return true; }
  bool number_integer(json::number_integer_t) { return true; }
  bool number_unsigned(json::number_unsigned_t) { return true; }
  bool number_float(json::number_float_t, const std::string&) { return true; }
  bool string(std::string&) { return true; }
  bool binary(json::binary_t&) { return true; }
  bool key(std::string&) { return true; }
  bool parse_error(std::size_t, const std::string&, const json::exception&) { return false; }
};

/// Null for an absence, for other versions and for what is no record.
json document_of(std::string_view bytes) {
  shape found{bytes.size()};
  if (!json::sax_parse(bytes.begin(), bytes.end(), &found, json::input_format_t::cbor)) return nullptr;
  json document = json::from_cbor(bytes.begin(), bytes.end());
  if (!document.is_object() || document.at("v") != record_version) return nullptr;
  return document;
}

decoded_record read_document(const json& document, steady_time now, wall_time wall) {
  origin::read_answer answer;
  answer.status = static_cast<unsigned>(number_in(document.at("status"), status_max));
  answer.version = document.contains("http") ? 10 : usual_version;
  read_fields(document.at("fields"), answer.fields);
  read_fields(document.at("whole"), answer.fields);
  answer.fields.add("Date", document.at("date").get<std::string>());
  answer.pinned.kind = static_cast<origin::validator_kind>(
      number_in(document.at("pin").at(0), static_cast<std::uint64_t>(origin::validator_kind::last_modified)));
  answer.pinned.value = document.at("pin").at(1).get<std::string>();
  answer.length_bytes = number_in(document.at("length"), INT64_MAX);
  const seconds written(number_in(document.at("written"), written_max));
  answer.requested = answer.received = wall_time(written);
  stored_head head = make_stored_head(answer, now);
  const seconds age(number_in(document.at("age"), age_max));
  head.initial_age = age + time_away(document, seconds_between(answer.received, wall), now);
  return {number_in(document.at("generation"), UINT64_MAX), std::make_shared<const stored_head>(std::move(head)),
          read_kept(document)};
}

std::string rendered(const origin::identity& name) {
  std::string text;
  for (const std::string_view part : {std::string_view(name.kind), std::string_view(name.endpoint),
                                      std::string_view(name.bucket), std::string_view(name.scope)}) {
    text += part;
    text += separator;
  }
  return text + name.key;
}

bool purged(const storage::lower_tier& lower, std::uint64_t sequence, const origin::identity& name,
            const stored_head& head) {
  const auto rules = lower.rules();
  return std::any_of(rules.begin(), rules.end(),
                     [&](const auto& each) { return sequence < each.sequence && covers(each.text, name, head); });
}

/// Installs what the disk knows. An object that it does not know gets a number of its own, so that bytes of an earlier
/// life of it, which no record leads to any more, are never taken for its own.
void take_record(const std::shared_ptr<engine>& shared, object& about,
                 const std::optional<storage::stored_record>& found) {
  std::optional<decoded_record> known;
  if (found) known = decode_record(found->encoded, about.name, shared->time.steady(), shared->time.wall());
  if (known && purged(*shared->lower, found->sequence, about.name, *known->head)) known.reset();
  about.generation = known ? known->generation : shared->lower->stamp();
  if (!known) return;
  about.head = known->head;
  about.current = about.version_for(shared, *known->head, known->generation);
  about.recorded = true;
  about.kept = known->kept;
}

} // namespace

std::string encode_record(const origin::identity& name, std::uint64_t generation, const stored_head& head,
                          steady_time now, wall_time wall, const std::optional<kept_name>& kept) {
  json document;
  document["v"] = record_version;
  document["name"] = name.canonical();
  document["generation"] = generation;
  document["status"] = head.status;
  if (head.version != usual_version) document["http"] = head.version;
  document["fields"] = fields_of(head.fields);
  document["whole"] = fields_of(head.whole_fields);
  document["date"] = head.date;
  document["pin"] = json::array({static_cast<int>(head.pinned.kind), head.pinned.value});
  document["length"] = head.length_bytes.value_or(0);
  document["age"] = age_of(head, now).count();
  document["written"] = since_epoch(wall).count();
  if (const std::uint64_t boot = boot_fingerprint(); boot != 0) {
    document["boot"] = boot;
    document["steady"] = since_boot(now).count();
  }
  if (kept) document["kept"] = json::array({kept->space, kept->key});
  std::string bytes;
  json::to_cbor(document, bytes);
  return bytes;
}

std::string encode_absence() {
  std::string bytes;
  json::to_cbor(json(nullptr), bytes);
  return bytes;
}

std::optional<decoded_record> decode_record(std::string_view bytes, const origin::identity& name, steady_time now,
                                            wall_time wall) {
  try {
    const json document = document_of(bytes);
    const bool ours = document.is_object() && document.at("name") == name.canonical();
    if (!ours) return std::nullopt;
    return read_document(document, now, wall);
  } catch (const std::exception& broken) {
    log::warn("cache", "a record of the disk tier cannot be read: {}", broken.what());
    return std::nullopt;
  }
}

std::string rule_of_prefix(const origin::identity& prefix) {
  return std::string("prefix") + separator + rendered(prefix);
}
std::string rule_of_tag(std::string_view tag) { return std::string("tag") + separator + std::string(tag); }

bool covers(std::string_view rule, const origin::identity& name, const stored_head& head) {
  const std::size_t end = rule.find(separator);
  if (end == std::string_view::npos) return false;
  const std::string_view kind = rule.substr(0, end), text = rule.substr(end + 1);
  if (kind == "prefix") return rendered(name).starts_with(text);
  return kind == "tag" && std::find(head.tags.begin(), head.tags.end(), text) != head.tags.end();
}

void keep_record(engine& shared, object& about) {
  if (shared.lower == nullptr) return;
  const bool worth = about.head != nullptr && about.current != nullptr && about.current->pinned() &&
                     about.head->length_bytes.has_value();
  if (worth) {
    shared.lower->put_record(
        about.key, about.current->key(),
        encode_record(about.name, about.generation, *about.head, shared.time.steady(), shared.time.wall(), about.kept),
        about.kept.has_value());
  } else if (about.recorded) {
    shared.lower->put_record(about.key, {}, encode_absence(), false);
  }
  about.recorded = worth;
}

void note_kept(engine& shared, object& about, kept_name by) {
  const std::lock_guard lock(about.mutex);
  if (about.kept == by) return;
  about.kept = std::move(by);
  if (about.recorded) keep_record(shared, about);
}

bool still_kept(const storage::lower_tier& lower, const storage::stored_record& record,
                const std::function<bool(const kept_name&)>& keeps) {
  try {
    const json document = document_of(record.encoded);
    if (!document.is_object()) return false;
    const auto name = origin::identity::parse(document.at("name").get<std::string>());
    if (!name) return false;
    const decoded_record known = read_document(document, {}, {});
    if (!known.kept || purged(lower, record.sequence, *name, *known.head)) return false;
    return keeps(*known.kept);
  } catch (const std::exception&) {
    return false;
  }
}

net::task<void> restore(std::shared_ptr<engine> shared, std::shared_ptr<object> about) {
  net::event woken;
  bool first = false;
  {
    const std::lock_guard lock(about->mutex);
    if (about->restored) co_return;
    first = !about->restoring;
    about->restoring = true;
    if (!first) about->restore_waiters.push_back(woken);
  }
  const auto until = net::deadline::after(restore_timeout);
  if (!first) {
    co_await woken.wait(until);
    co_return;
  }
  std::optional<storage::stored_record> found;
  if (shared->lower->may_have_record(about->key)) {
    auto answer = co_await shared->lower->find_record(about->key, until);
    if (answer) found = std::move(*answer);
  }
  std::vector<net::event> waiting;
  {
    const std::lock_guard lock(about->mutex);
    if (about->generation == 0) take_record(shared, *about, found); // else purged while we looked
    about->restored.store(true, std::memory_order_release);
    waiting.swap(about->restore_waiters);
  }
  for (const auto& each : waiting) each.notify();
}

} // namespace forebay::cache
