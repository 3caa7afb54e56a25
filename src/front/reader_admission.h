// Namespaces that are not public: what a request shows, and whether the namespace's rules let it in.
#pragma once

#include <string>

#include "front/notes.h"
#include "http/message.h"
#include "http/server.h"
#include "space/access_rules.h"
#include "space/space.h"

namespace forebay::front {

/// What a method does to objects of a namespace.
space::access_action action_of(std::string_view method) noexcept;

/// Decides whether the request may do `action` at `key` (of a listing: its directory) in a namespace that is not
/// public; before the cache is looked up, hit or miss alike, so that a refusal tells nothing of what exists. Networks,
/// names of client certificates, a signed URL, an S3 key (`key_shown`: its signature was verified and it is for this
/// bucket) and bearer tokens are alternatives; networks and certificates let in to read and list alone, and no page of
/// another site. On success `where->may_write` says whether the request has shown a right
/// to write, and the notes until when it is let in; on a refusal they hold the challenge. unauthorised where a
/// token would help, forbidden where none does.
net::task<result<void>> admit_by_rules(http::request& asked, space::placement* where, space::access_action action,
                                       std::string key, bool key_shown);

/// Whether the request may be told that the namespace is there: its name tells, too. Tokens are not looked at.
bool may_know(const http::request& asked, const space::name_space& space);

/// The last word on the fields of an answer to who was let in by network or certificate: browsers show both for every
/// page, so no page of another site may read it (Fetch §3.2).
void keep_from_other_sites(http::header_table& fields, const http::request& asked);

/// What is done to an answer of a namespace that is not public: caches downstream may not share it (Cache-Control:
/// private), and its body ends with the token that let the reader in.
void finish_private(http::response& answer, const http::request& asked);

/// The counters of decisions, from the start on.
void register_reader_decisions();

/// A bearer token is for this node, never for the origin behind it.
void forget_token(http::request& asked);

} // namespace forebay::front
