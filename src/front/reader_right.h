// Namespaces whose origin decides who may read (access = "origin"): the reader's token, and what it does to the answer.
#pragma once

#include <string>

#include "front/notes.h"
#include "http/message.h"
#include "http/server.h"
#include "space/access_rules.h"
#include "space/space.h"

namespace forebay::front {

/// Asks the origin whether the reader may have the object (for a listing: the directory) at `key`, unless the namespace
/// decides for itself. `action`: read, or list. On success `where->token` is what he showed, for what is asked in his
/// name. On a refusal the origin's challenge is in the request's notes. Before the cache is looked up, hit or miss.
net::task<result<void>> admit_reader(http::request& asked, space::placement* where, std::string key,
                                     space::access_action action);

/// For caches downstream: what a token gave is for who showed it (RFC 9111 §3.5, §5.2.2.7), and depends on it.
/// Nothing to do where the namespace decides for itself.
void mark_personal(http::response& answer, const space::name_space& space, bool token_shown);

/// `private`, and what of the Cache-Control `control` (maybe empty) is meant for private caches. Pure.
std::string as_private(std::string_view control);

/// The token of "Bearer <token>" (RFC 6750 §2.1); null without Authorization. unauthorised for another scheme,
/// invalid_input for what is no token.
result<origin::shown_token> read_token(const http::header_table& fields);

} // namespace forebay::front
