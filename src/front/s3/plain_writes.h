// Writes of S3 clients to stores of other kinds: objects are put whole, and removed. Pure.
#pragma once

#include <optional>
#include <string_view>

#include "front/s3/s3_call.h"
#include "http/headers.h"
#include "origin/error_body.h"

namespace forebay::front::s3 {

/// "s3", "gcs", "azure", "swift", "web" ...: the kind of the store that writes of a namespace go to.
std::string kind_of_store(const space::name_space& space);

/// Why a store of this kind cannot do it: parts, copies, versions and orders of S3's own (ACLs, tags, encryption) would
/// have to be left out, and it would be another write than was meant. Nothing where it can, and for S3 itself.
std::optional<s3_failure> refuse_beyond_plain(const s3_call& call, std::string_view kind);

/// Fields of an upload as a store of this kind reads them. Notes (x-amz-meta-*) become those of the store, where it
/// keeps any; checksums were compared on the way.
http::header_table plain_fields(const http::header_table& from, std::string_view kind);

/// The ETag that the store gave, with the quotes that Swift leaves out. There may be none.
http::header_table plain_answered_fields(const http::header_table& from);

/// Its word about a failed write. 404 is the object's absence where it was to be removed, else the container's.
s3_failure refused_by_plain_store(unsigned status, const origin::error_detail& said, bool removes);

} // namespace forebay::front::s3
