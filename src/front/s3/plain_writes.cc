#include "front/s3/plain_writes.h"

#include <algorithm>
#include <array>
#include <fmt/format.h>

#include "base/text.h"
#include "front/s3/write_words.h"

namespace forebay::front::s3 {
namespace {

constexpr std::string_view notes_prefix = "x-amz-meta-";

/// Fields of S3 that ask for nothing, or for what is so anyway.
bool orders_nothing(std::string_view lower, std::string_view value) {
  static constexpr std::array<std::string_view, 6> harmless{"x-amz-content-sha256",         "x-amz-date",
                                                            "x-amz-security-token",         "x-amz-user-agent",
                                                            "x-amz-decoded-content-length", "x-amz-trailer"};
  if (!lower.starts_with("x-amz-") || lower.starts_with(notes_prefix)) return true;
  if (lower.starts_with("x-amz-checksum-") || lower.starts_with("x-amz-sdk-")) return true;
  if (lower == "x-amz-acl") return value == "private";
  if (lower == "x-amz-storage-class") return value == "STANDARD";
  return std::find(harmless.begin(), harmless.end(), lower) != harmless.end();
}

s3_failure not_here(std::string message) { return {501, "NotImplemented", std::move(message)}; }

/// Google's XML API and Swift look at some conditions of writes and pass over the others.
bool checks_condition(std::string_view kind, std::string_view lower, std::string_view value) {
  if (!lower.starts_with("if-") || (kind != "gcs" && kind != "swift")) return true;
  return lower == "if-none-match" && trim(value) == "*";
}

/// How a store writes the name of a note; empty: it keeps none of this name.
std::string note_of(std::string_view kind, std::string_view name) {
  const auto identifies = [](unsigned char c) { return std::isalnum(c) != 0 || c == '_'; };
  if (kind == "gcs") return fmt::format("x-goog-meta-{}", name);
  if (kind == "swift") return fmt::format("x-object-meta-{}", name);
  const bool identifier = !name.empty() && std::isdigit(static_cast<unsigned char>(name.front())) == 0 &&
                          std::all_of(name.begin(), name.end(), identifies);
  return kind == "azure" && identifier ? fmt::format("x-ms-meta-{}", name) : std::string();
}

} // namespace

std::string kind_of_store(const space::name_space& space) {
  return space.origins.empty() ? std::string() : space.origins.front()->identify("", "").kind;
}

std::optional<s3_failure> refuse_beyond_plain(const s3_call& call, std::string_view kind) {
  if (kind == "s3") return std::nullopt;
  const http::header_table& fields = call.asked.head.fields;
  if (call.what.has("uploads") || call.what.has("uploadId") || call.what.has("partNumber"))
    return not_here("The store behind this bucket takes objects whole: raise your client's multipart threshold.");
  if (call.what.has("versionId")) return not_here("The store behind this bucket names no versions.");
  if (fields.has("x-amz-copy-source")) return not_here("The store behind this bucket makes no copies for S3 clients.");
  std::optional<s3_failure> refused;
  fields.each([&](std::string_view name, std::string_view value) {
    const std::string lower = to_lower(name);
    if (orders_nothing(lower, value) && checks_condition(kind, lower, value)) return;
    refused = not_here(fmt::format("The store behind this bucket knows nothing of the field {} of a write.", lower));
  });
  return refused;
}

http::header_table plain_fields(const http::header_table& from, std::string_view kind) {
  http::header_table fields;
  forwarded_fields(from).each([&](std::string_view name, std::string_view value) {
    const std::string lower = to_lower(name);
    if (lower.starts_with(notes_prefix)) {
      const std::string note = note_of(kind, std::string_view(lower).substr(notes_prefix.size()));
      if (!note.empty()) fields.add(note, value);
    } else if (lower == "if-none-match" && kind == "gcs") {
      fields.add("x-goog-if-generation-match", "0"); // there is no such object
    } else if (!lower.starts_with("x-amz-")) {
      fields.add(name, value);
    }
  });
  return fields;
}

http::header_table plain_answered_fields(const http::header_table& from) {
  http::header_table fields;
  if (const auto modified = from.get("Last-Modified")) fields.add("Last-Modified", *modified);
  const auto tag = from.get("ETag");
  if (!tag || tag->empty()) return fields;
  fields.add("ETag", tag->ends_with('"') ? std::string(*tag) : fmt::format("\"{}\"", *tag));
  return fields;
}

s3_failure refused_by_plain_store(unsigned status, const origin::error_detail& said, bool removes) {
  std::string message = said.message.empty() ? fmt::format("The store answered {}.", status) : said.message;
  const auto with = [&](unsigned ours, std::string code) {
    return s3_failure{ours, std::move(code), std::move(message)};
  };
  if (status == 409 && said.code == "BlobAlreadyExists") return with(412, "PreconditionFailed"); // If-None-Match: *
  const bool no_container = said.code == "NoSuchBucket" || said.code == "ContainerNotFound";
  switch (status) {
  case 403: return with(403, "AccessDenied");
  case 404:
  case 410: return with(404, removes && !no_container ? "NoSuchKey" : "NoSuchBucket");
  case 405: return with(405, "MethodNotAllowed");
  case 412: return with(412, "PreconditionFailed");
  case 501: return with(501, "NotImplemented");
  case 429: return {503, "SlowDown", std::move(message), std::chrono::seconds(1), error_kind::throttled};
  default: break;
  }
  if (status >= 400 && status < 500 && status != 401) return with(status, "InvalidRequest");
  return {503, status == 503 ? "SlowDown" : "ServiceUnavailable", std::move(message), std::chrono::seconds(1),
          error_kind::broken};
}

} // namespace forebay::front::s3
