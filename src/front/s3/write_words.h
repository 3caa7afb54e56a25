// What writes say in XML and in header fields. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "front/s3/chunked_upload.h"
#include "front/s3/s3_error.h"
#include "front/s3/signature.h"
#include "http/headers.h"

namespace forebay::front::s3 {

/// Fields of an upload that its store shall see: what describes the object, conditions, and x-amz-* but for those of
/// the client's own signature and framing.
http::header_table forwarded_fields(const http::header_table& from);
/// Fields of a store's answer to a write that its client shall see.
http::header_table answered_fields(const http::header_table& from);

/// How the body is framed; `who` is null for a key that is not ours, which signs nothing that could be checked.
tl::expected<payload_form, s3_failure> form_of(const http::header_table& fields,
                                               const std::optional<authorization>& claim, const access_key* who);
/// The length of the payload; MissingContentLength where nobody says, EntityTooLarge beyond `most`.
tl::expected<std::uint64_t, s3_failure> payload_length(const http::header_table& fields, const payload_form& form,
                                                       bool has_body, std::uint64_t most);

/// "bucket" and "key" of x-amz-copy-source, decoded. A version stays in `query`.
struct copy_source {
  std::string bucket, key, query;
};
std::optional<copy_source> read_copy_source(std::string_view text);

/// The keys of a DeleteObjects; MalformedXML for what is none.
inline constexpr std::size_t deleted_keys_max = 1000;
struct delete_wish {
  struct object {
    std::string key, version;
  };
  std::vector<object> objects;
  bool quiet = false;
};
tl::expected<delete_wish, s3_failure> read_delete(std::string_view xml);

/// A store's document about one of its buckets, with our names for bucket and key. Nothing where it is no document of
/// that kind; its failure where it is an Error, which S3 also says with status 200.
tl::expected<std::string, s3_failure> renamed_document(std::string_view xml, std::string_view root,
                                                       const std::string& bucket, const std::string& key);

} // namespace forebay::front::s3
