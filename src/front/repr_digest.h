// Repr-Digest and Content-Digest for readers who want them (RFC 9530).
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "cache/stored_head.h"
#include "front/digest_memory.h"
#include "http/message.h"
#include "net/task.h"
#include "origin/checksum.h"

namespace forebay::front {

/// Adds to `answer`, a 200 or 206 of `head`, the digest that `request` wants most (Want-Repr-Digest), of the checksums
/// that the store gave and of `computed`; to a whole one what Want-Content-Digest wants, too: its content is the
/// representation. Nothing where none of what is wanted is known, or the store says one itself. Pure.
void add_wanted_digests(http::response_head& answer, const http::header_table& request, const cache::stored_head& head,
                        const std::vector<origin::expected_digest>& computed = {});

/// `sha-256=:base64:`; for kinds with a registered name.
std::string render_digest(origin::digest_kind kind, const std::string& value);

/// What of a field of preferences this node computes best: SHA-256, SHA-512 or CRC32C. Pure.
std::optional<origin::digest_kind> computable(const http::header_table& request, std::string_view preferences);

/// Where a representation's digests are remembered.
struct digested_object {
  std::shared_ptr<digest_memory> memory; ///< null: nothing is computed
  origin::identity name;
};

/// Tells a reader the digests that it wants: those of the store, those remembered, and where there is none, one that is
/// computed. A small answer is read whole for it before it begins; of a larger one that is sent whole the digest is
/// remembered when its last byte has passed. Fails as reading the body does.
net::task<result<void>> tell_digests(http::response* answer, const http::header_table* request,
                                     std::shared_ptr<const cache::stored_head> head, digested_object object);

} // namespace forebay::front
