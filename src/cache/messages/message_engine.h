// What the exchanges of a message cache share. Internal to cache/.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cache/engine.h"
#include "cache/identity_table.h"
#include "cache/messages/message_answer.h"
#include "cache/messages/message_cache.h"
#include "cache/messages/outgoing.h"
#include "cache/messages/stored_message.h"
#include "http/client.h"

namespace forebay::cache::messages {

/// Thread-safe; lives as long as any exchange.
struct message_engine {
  explicit message_engine(std::shared_ptr<engine> with);
  const std::shared_ptr<engine> shared;
  const std::shared_ptr<head_ledger> head_bytes = std::make_shared<head_ledger>(0);
  identity_table<message_entry> entries;
  metrics::counter& stored;
  metrics::counter& invalidated;
  metrics::counter& variants_dropped;
  metrics::gauge& held_bytes; ///< head_bytes, as it was when something was last stored
};

/// One request on its way. Loop of the connection alone.
struct exchange_state {
  std::shared_ptr<message_engine> store;
  message_request asked;
  http::cache_control directives;
  std::shared_ptr<message_entry> at;
  bool head_only = false;
  bool background = false; ///< a revalidation that no reader waits for
  bool bypass = false;     ///< nothing stored is used
};

/// What an origin answered.
struct arrival {
  unsigned status = 0;
  unsigned version = 11;     ///< of HTTP in which it came
  http::header_table fields; ///< end-to-end, and Content-Length
  std::unique_ptr<http::client_body> body;
  wall_time requested{}, received{};
};
/// Times that came malformed are replaced (Date, RFC 9110 §6.6.1) or left out (Age): nobody behind us could use them.
arrival arrive(origin::write_answer answered, wall_time requested, wall_time received);

/// What is stored of a URI, at one look.
struct glance {
  std::shared_ptr<const stored_message> held; ///< chosen by the request, usable
  std::vector<std::shared_ptr<const stored_message>> variants;
  bool passes = false;
  std::uint64_t generation = 0;
};
glance look(const exchange_state& of);

/// Takes the end of a body that is none, so that its connection can be used again.
net::task<void> end_body(std::unique_ptr<http::client_body> body);
/// Keeps the body that came as `range` of the representation: begins the fill. Nothing for an empty one.
std::optional<part> begin_part(const exchange_state& of, arrival& came, byte_range range);
/// Puts `message` among the variants in place of those that the request would have chosen; not after a purge.
void install(const exchange_state& of, std::shared_ptr<const stored_message> message, std::uint64_t generation);
/// Forgets `gone`, which may be null; readers do not wait for each other for a while (hit-for-miss). Not after a purge.
void give_up(const exchange_state& of, const std::shared_ptr<const stored_message>& gone, std::uint64_t generation);
/// Forgets all that is stored of one URI; whether anything was.
bool forget_entry(message_entry& at);

/// `own`: what the request's own exchange brings; its bytes are the origin's.
reader_context reader_of(const exchange_state& of, std::shared_ptr<version> own = nullptr);
/// The stored message as the answer to the request, or nothing where bytes of it are missing.
std::optional<http::response> answer_held(const exchange_state& of, const stored_message& held,
                                          std::shared_ptr<version> own = nullptr);
/// The origin's answer as it came; nothing is kept.
http::response pass_on(const exchange_state& of, arrival came);

/// GET and HEAD.
net::task<result<http::response>> read_message(std::shared_ptr<exchange_state> of);
/// Every other method: to the origin, and what it makes invalid is forgotten.
net::task<result<http::response>> write_message(std::shared_ptr<exchange_state> of);

/// What became of an answer to a GET: the reader's answer, or nothing: look again (with `bypass` where our conditions
/// were of no use).
std::optional<http::response> take_get(exchange_state& of, const glance& seen, const outgoing& asked, arrival came);
/// The answer to a HEAD, after what is stored was updated by it or put under suspicion (RFC 9111 §4.3.5).
http::response take_head(const exchange_state& of, const glance& seen, arrival came);
/// Keeps an answer to POST that its origin says is the representation of the URI (RFC 9110 §9.3.3); nothing otherwise.
std::optional<http::response> take_post(exchange_state& of, arrival& came);

} // namespace forebay::cache::messages
