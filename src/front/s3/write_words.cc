#include "front/s3/write_words.h"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <pugixml.hpp>
#include <sstream>

#include "base/key_segments.h"
#include "base/text.h"
#include "origin/s3/sigv4.h"

namespace forebay::front::s3 {
namespace {

constexpr std::array<std::string_view, 10> of_objects{
    "content-type", "content-disposition", "content-language",  "cache-control",      "expires", "content-md5",
    "if-match",     "if-none-match",       "if-modified-since", "if-unmodified-since"};
/// Of the client's signature and framing, which end here.
constexpr std::array<std::string_view, 6> ours{"x-amz-content-sha256",         "x-amz-date",
                                               "x-amz-security-token",         "x-amz-copy-source",
                                               "x-amz-decoded-content-length", "x-amz-trailer"};

template <std::size_t N>
bool listed(const std::array<std::string_view, N>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

s3_failure malformed() {
  return {400, "MalformedXML", "The XML you provided was not well-formed or did not validate against our schema."};
}

/// The first child of that name, whatever its namespace prefix.
pugi::xml_node child(const pugi::xml_node& of, std::string_view name) {
  return of.find_child([name](const pugi::xml_node& one) { return one.name() == name; });
}

} // namespace

http::header_table forwarded_fields(const http::header_table& from) {
  http::header_table fields;
  const bool with_trailer = from.has("x-amz-trailer");
  from.each([&](std::string_view name, std::string_view value) {
    const std::string lower = to_lower(name);
    if (lower == "content-encoding") { // aws-chunked is a framing, not a coding of the object
      std::string rest;
      for (const std::string_view each : split(value, ',')) {
        if (iequals(trim(each), "aws-chunked") || trim(each).empty()) continue;
        rest += (rest.empty() ? "" : ", ") + std::string(trim(each));
      }
      if (!rest.empty()) fields.add(name, rest);
      return;
    }
    // A checksum that came in the trailer cannot go on in the head.
    const bool announced = with_trailer && lower == "x-amz-sdk-checksum-algorithm";
    if (listed(of_objects, lower) || (lower.starts_with("x-amz-") && !listed(ours, lower) && !announced))
      fields.add(name, value);
  });
  return fields;
}

http::header_table answered_fields(const http::header_table& from) {
  static constexpr std::array<std::string_view, 2> ids{"x-amz-request-id", "x-amz-id-2"};
  http::header_table fields;
  from.each([&](std::string_view name, std::string_view value) {
    const std::string lower = to_lower(name);
    if (lower == "etag" || lower == "last-modified" || (lower.starts_with("x-amz-") && !listed(ids, lower)))
      fields.add(name, value);
  });
  return fields;
}

namespace {

/// The checksum that the client computed of its payload, where it is of a kind that we know.
void find_checksum(const http::header_table& fields, payload_form& form) {
  using kind = origin::digest_kind;
  static constexpr std::array<kind, 5> kinds{kind::crc32, kind::crc32c, kind::crc64nvme, kind::sha1, kind::sha256};
  const std::string announced = to_lower(trim(fields.get("x-amz-trailer").value_or("")));
  for (const kind each : kinds) {
    const std::string name = fmt::format("x-amz-checksum-{}", origin::to_string(each));
    const auto value = fields.get(name);
    if (!value && announced != name) continue;
    form.checksum = each;
    form.checksum_field = name;
    form.checksum_value = value.value_or("");
  }
}

} // namespace

tl::expected<payload_form, s3_failure> form_of(const http::header_table& fields,
                                               const std::optional<authorization>& claim, const access_key* who) {
  payload_form form;
  find_checksum(fields, form);
  // A presigned URL need not have signed it; what the client says of its body is held against the body all the same.
  const auto told = fields.get("x-amz-content-sha256");
  const std::string_view word = told || !claim ? told.value_or("") : std::string_view(claim->payload);
  if (word.empty() || word == origin::s3::unsigned_payload) return form;
  constexpr std::string_view streaming = "STREAMING-";
  if (!word.starts_with(streaming)) {
    const bool is_hash = word.size() == 64 && word.find_first_not_of("0123456789abcdef") == std::string_view::npos;
    if (!is_hash) {
      return tl::unexpected(
          s3_failure{400, "InvalidArgument",
                     "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-... or a valid sha256 value."});
    }
    form.what = payload_form::kind::hashed;
    form.sha256 = word;
    return form;
  }
  form.what = payload_form::kind::chunked;
  form.trailer = word.ends_with("-TRAILER");
  if (word == "STREAMING-UNSIGNED-PAYLOAD-TRAILER") return form;
  const bool known =
      word == "STREAMING-AWS4-HMAC-SHA256-PAYLOAD" || word == "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER";
  if (!known || !claim || who == nullptr)
    return tl::unexpected(s3_failure{501, "NotImplemented", "This kind of streaming signature is not known here."});
  form.signing = begin_chunks(*claim, who->secret);
  return form;
}

tl::expected<std::uint64_t, s3_failure> payload_length(const http::header_table& fields, const payload_form& form,
                                                       bool has_body, std::uint64_t most) {
  const bool chunked = form.what == payload_form::kind::chunked;
  const auto told = fields.get(chunked ? "x-amz-decoded-content-length" : "content-length");
  if (!told && !has_body && !chunked) return 0;
  const auto length = told ? parse_u64(*told) : std::nullopt;
  if (length && *length > most)
    return tl::unexpected(
        s3_failure{400, "EntityTooLarge", "Your proposed upload exceeds the maximum allowed object size."});
  if (length) return *length;
  return tl::unexpected(
      s3_failure{411, "MissingContentLength", "You must provide the Content-Length HTTP header (of the payload)."});
}

std::optional<copy_source> read_copy_source(std::string_view text) {
  copy_source source;
  if (const std::size_t mark = text.find('?'); mark != std::string_view::npos) {
    source.query = text.substr(mark + 1);
    text = text.substr(0, mark);
  }
  const auto decoded = percent_decode(text);
  if (!decoded) return std::nullopt;
  std::string_view rest = *decoded;
  if (rest.starts_with('/')) rest.remove_prefix(1);
  const std::size_t slash = rest.find('/');
  if (slash == std::string_view::npos || slash == 0 || slash + 1 == rest.size()) return std::nullopt;
  source.bucket = rest.substr(0, slash);
  source.key = rest.substr(slash + 1);
  if (leads_astray(source.key)) return std::nullopt;
  return source;
}

tl::expected<delete_wish, s3_failure> read_delete(std::string_view xml) {
  pugi::xml_document document;
  // No entities but XML's own five are resolved, and whitespace within keys counts.
  const auto parsed = document.load_buffer(xml.data(), xml.size(), pugi::parse_default | pugi::parse_ws_pcdata_single);
  const pugi::xml_node root = child(document, "Delete");
  if (!parsed || !root) return tl::unexpected(malformed());
  delete_wish wish;
  wish.quiet = std::string_view(child(root, "Quiet").child_value()) == "true";
  for (const pugi::xml_node& each : root.children()) {
    if (std::string_view(each.name()) != "Object") continue;
    const std::string key = child(each, "Key").child_value();
    if (key.empty() || wish.objects.size() == deleted_keys_max) return tl::unexpected(malformed());
    wish.objects.push_back({key, child(each, "VersionId").child_value()});
  }
  if (wish.objects.empty()) return tl::unexpected(malformed());
  return wish;
}

tl::expected<std::string, s3_failure> renamed_document(std::string_view xml, std::string_view root,
                                                       const std::string& bucket, const std::string& key) {
  pugi::xml_document document;
  const auto parsed = document.load_buffer(xml.data(), xml.size(), pugi::parse_default | pugi::parse_ws_pcdata_single);
  pugi::xml_node found = child(document, root);
  if (const auto error = child(document, "Error"); parsed && error) {
    std::string code = child(error, "Code").child_value();
    if (code.empty()) code = "InternalError";
    const unsigned status = code == "InternalError" || code == "SlowDown" ? 503 : 400;
    return tl::unexpected(s3_failure{status, code, child(error, "Message").child_value()});
  }
  if (!parsed || !found)
    return tl::unexpected(
        s3_failure{503, "ServiceUnavailable", "The store's answer could not be read.", {}, error_kind::broken});
  if (auto node = child(found, "Bucket")) node.text().set(bucket.c_str());
  if (auto node = child(found, "Key")) node.text().set(key.c_str());
  found.remove_child("Location"); // of the store: clients of this node have another
  std::ostringstream out;
  found.print(out, "", pugi::format_raw);
  return out.str();
}

} // namespace forebay::front::s3
