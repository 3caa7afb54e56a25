#include "front/s3/list_objects.h"

#include <ctime>
#include <fmt/format.h>

#include "base/hash.h"
#include "base/key_segments.h"
#include "base/text.h"

namespace forebay::front::s3 {
namespace {

constexpr std::size_t max_keys_of_a_page = 1000; // S3's own limit
/// U+10FFFF: behind it in the order of bytes stands no key that begins alike.
constexpr std::string_view last_character = "\xf4\x8f\xbf\xbf";

s3_failure invalid(std::string message) { return {400, "InvalidArgument", std::move(message)}; }

std::optional<std::string> unhex(std::string_view text) {
  if (text.size() % 2 != 0) return std::nullopt;
  std::string escaped;
  for (std::size_t i = 0; i < text.size(); i += 2) escaped += fmt::format("%{}", text.substr(i, 2));
  return percent_decode(escaped);
}

std::string to_hex(std::string_view text) {
  return hex(std::span(reinterpret_cast<const std::uint8_t*>(text.data()), text.size()));
}

} // namespace

tl::expected<list_wish, s3_failure> read_list_wish(const s3_request& asked) {
  list_wish wish;
  const auto text = [&asked](std::string_view name) {
    const std::string* const value = asked.find(name);
    return value != nullptr ? *value : std::string();
  };
  if (const std::string* type = asked.find("list-type")) {
    if (*type != "2" && *type != "1") return tl::unexpected(invalid("list-type is 2, or left out"));
    wish.second_version = *type == "2";
  }
  wish.prefix = text("prefix");
  wish.delimiter = text("delimiter");
  wish.start_after = text(wish.second_version ? "start-after" : "marker");
  // No key that could be read begins so, and to a web server it would be a way out of the namespace.
  if (leads_astray(wish.prefix) || leads_astray(wish.start_after))
    return tl::unexpected(invalid("A prefix, marker or start-after holds no NUL and no \".\" or \"..\" segment"));
  wish.with_owner = !wish.second_version || text("fetch-owner") == "true";
  if (const std::string* token = asked.find("continuation-token"); token != nullptr && wish.second_version) {
    const auto from = read_token(*token);
    if (!from || leads_astray(from->start_after))
      return tl::unexpected(invalid("The continuation token provided is incorrect"));
    wish.token = *token;
  }
  if (const std::string* encoding = asked.find("encoding-type"); encoding != nullptr && !encoding->empty()) {
    if (*encoding != "url") return tl::unexpected(invalid("Invalid Encoding Method specified in Request"));
    wish.url_encoded = true;
  }
  if (const std::string* most = asked.find("max-keys"); most != nullptr && !most->empty()) {
    const auto number = parse_u64(*most);
    if (!number || *number > 2'147'483'647) return tl::unexpected(invalid("max-keys is a number from 0 to 2147483647"));
    wish.max_keys = std::min<std::uint64_t>(*number, max_keys_of_a_page);
  }
  return wish;
}

std::string make_token(const list_position& at) {
  return to_hex(at.continuation.empty() ? "k" + at.start_after : "n" + at.continuation);
}

std::optional<list_position> read_token(std::string_view token) {
  const auto text = unhex(token);
  if (!text || text->size() < 2) return std::nullopt;
  if (text->front() == 'k') return list_position{text->substr(1), {}};
  if (text->front() == 'n') return list_position{{}, text->substr(1)};
  return std::nullopt;
}

collapser::collapser(const list_wish& asked, std::string start_after)
    : asked_(asked), position_(std::move(start_after)) {
  // Who goes on behind a common prefix has seen all that is below it.
  const bool behind_prefix = position_.size() > asked.prefix.size() && position_.starts_with(asked.prefix) &&
                             position_.ends_with(asked.delimiter);
  if (behind_prefix) open_prefix_ = position_;
}

bool collapser::take(const origin::list_entry& entry) {
  if (!open_prefix_.empty() && entry.key.starts_with(open_prefix_)) return true;
  if (entry.key <= position_) return true;
  const bool full = page.objects.size() + page.common_prefixes.size() >= asked_.max_keys;
  if (full) return false;
  const std::size_t cut = entry.key.find(asked_.delimiter, asked_.prefix.size());
  if (cut == std::string::npos) {
    open_prefix_.clear();
    position_ = entry.key;
    page.objects.push_back(entry);
  } else {
    open_prefix_ = entry.key.substr(0, cut + asked_.delimiter.size());
    position_ = open_prefix_;
    page.common_prefixes.push_back(open_prefix_);
  }
  page.last = position_;
  return true;
}

std::string collapser::resume_after() const {
  return open_prefix_.empty() ? position_ : open_prefix_ + std::string(last_character);
}

namespace {

cache::page_request make_request(std::shared_ptr<const space::name_space> space, const list_wish& asked,
                                 std::chrono::milliseconds timeout) {
  cache::page_request wanted;
  wanted.space = std::move(space);
  wanted.prefix = asked.prefix;
  wanted.recursive = asked.delimiter != "/";
  wanted.markers = true;
  wanted.timeout = timeout;
  wanted.insists = asked.insists;
  wanted.token = asked.right;
  return wanted;
}

/// Any delimiter but '/': the recursive listing, rolled up here. What a common prefix holds is skipped at the origin.
net::task<result<list_page>> list_collapsed(cache::listing_cache& listings,
                                            std::shared_ptr<const space::name_space> space, list_wish asked,
                                            list_position from, std::chrono::milliseconds timeout,
                                            cache::lookup_report* report) {
  collapser rolled(asked, from.start_after);
  std::string start_after = rolled.resume_after();
  for (unsigned turn = 0; turn < pages_per_request; ++turn) {
    cache::page_request wanted = make_request(space, asked, timeout);
    wanted.start_after = start_after;
    auto page = co_await listings.list(std::move(wanted), report);
    if (!page) co_return fail(page.error());
    const auto held = std::move(*page);
    for (const auto& entry : held->entries) {
      if (asked.hidden && asked.hidden(entry.key)) continue;
      if (rolled.take(entry)) continue;
      rolled.page.next_token = make_token({rolled.page.last, {}});
      co_return std::move(rolled.page);
    }
    if (!held->truncated()) co_return std::move(rolled.page);
    if (held->entries.empty()) continue;
    const std::string& last = held->entries.back().key;
    const auto behind = asked.hidden ? asked.hidden(last) : std::nullopt;
    start_after = std::max(rolled.resume_after(), behind.value_or(last));
  }
  rolled.page.last = start_after;
  rolled.page.next_token = make_token({start_after, {}});
  co_return std::move(rolled.page);
}

} // namespace

net::task<result<list_page>> list_objects(cache::listing_cache& listings,
                                          std::shared_ptr<const space::name_space> space, list_wish asked,
                                          std::chrono::milliseconds timeout, cache::lookup_report* report) {
  if (asked.max_keys == 0) co_return list_page{};
  list_position from{asked.start_after, {}};
  if (asked.token) from = *read_token(*asked.token);
  if (!asked.delimiter.empty() && asked.delimiter != "/") {
    auto rolled = co_await list_collapsed(listings, std::move(space), std::move(asked), from, timeout, report);
    co_return rolled;
  }
  cache::page_request wanted = make_request(std::move(space), asked, timeout);
  wanted.max_entries = asked.max_keys;
  wanted.start_after = from.start_after;
  wanted.continuation = from.continuation;
  auto page = co_await listings.list(std::move(wanted), report);
  if (!page) co_return fail(page.error());
  list_page made;
  bool ends_hidden = false;
  for (const auto& entry : (*page)->entries) {
    if (entry.directory && asked.delimiter.empty()) continue; // of a store whose directories are listed as such
    const auto behind = asked.hidden ? asked.hidden(entry.key) : std::nullopt;
    ends_hidden = behind.has_value();
    if (behind) {
      made.last = *behind;
      continue;
    }
    if (entry.directory)
      made.common_prefixes.push_back(entry.key);
    else
      made.objects.push_back(entry);
    made.last = entry.key;
  }
  // A store's own word may hold the key that was left out.
  if ((*page)->truncated())
    made.next_token = ends_hidden ? make_token({made.last, {}}) : make_token({{}, (*page)->next});
  co_return made;
}

std::string format_timestamp(std::optional<wall_time> when) {
  const std::time_t seconds = std::chrono::system_clock::to_time_t(when.value_or(wall_time{}));
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.000Z", utc.tm_year + 1900, utc.tm_mon + 1, utc.tm_mday,
                     utc.tm_hour, utc.tm_min, utc.tm_sec);
}

namespace {

void append_object(std::string& out, const origin::list_entry& entry, const std::string& key, bool with_owner) {
  out += "<Contents>";
  append_element(out, "Key", key);
  append_element(out, "LastModified", format_timestamp(entry.modified));
  // An empty ETag would be one that no object has; clients take a missing one for what it is.
  if (!entry.etag.empty()) append_element(out, "ETag", entry.etag);
  if (entry.length_bytes) append_element(out, "Size", fmt::format("{}", *entry.length_bytes));
  if (with_owner) out += "<Owner><ID>forebay</ID><DisplayName>forebay</DisplayName></Owner>";
  out += "<StorageClass>STANDARD</StorageClass></Contents>";
}

} // namespace

std::string render(const list_wish& asked, const list_page& page, std::string_view bucket) {
  const auto spelt = [&asked](std::string_view text) {
    return asked.url_encoded ? percent_encode(text, "/") : std::string(text);
  };
  const bool truncated = !page.next_token.empty();
  std::string out = "<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">";
  append_element(out, "Name", bucket);
  append_element(out, "Prefix", spelt(asked.prefix));
  if (asked.second_version) {
    if (!asked.start_after.empty()) append_element(out, "StartAfter", spelt(asked.start_after));
    if (asked.token) append_element(out, "ContinuationToken", *asked.token);
    if (truncated) append_element(out, "NextContinuationToken", page.next_token);
    append_element(out, "KeyCount", fmt::format("{}", page.objects.size() + page.common_prefixes.size()));
  } else {
    append_element(out, "Marker", spelt(asked.start_after));
    if (truncated) append_element(out, "NextMarker", spelt(page.last));
  }
  append_element(out, "MaxKeys", fmt::format("{}", asked.max_keys));
  if (!asked.delimiter.empty()) append_element(out, "Delimiter", spelt(asked.delimiter));
  if (asked.url_encoded) append_element(out, "EncodingType", "url");
  append_element(out, "IsTruncated", truncated ? "true" : "false");
  for (const auto& each : page.objects) append_object(out, each, spelt(each.key), asked.with_owner);
  for (const auto& each : page.common_prefixes) {
    out += "<CommonPrefixes>";
    append_element(out, "Prefix", spelt(each));
    out += "</CommonPrefixes>";
  }
  return out + "</ListBucketResult>";
}

} // namespace forebay::front::s3
