// What the data listener keeps about one request, from its arrival to its last byte.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "cache/held_object.h"
#include "cache/report.h"
#include "front/digest_memory.h"
#include "http/server.h"
#include "net/address.h"
#include "space/signed_url.h"
#include "space/space.h"

namespace forebay::front {

/// The configuration as the data listener sees it: immutable, replaced as a whole by a reload, pinned by each
/// request.
struct web_settings {
  std::shared_ptr<const space::space_map> spaces;
  std::vector<net::ip_network> trusted_proxies;
  bool proxies_say_forwarded = false;                ///< they write Forwarded, not X-Forwarded-For
  std::string node_name;                             ///< our id in CDN-Loop (RFC 8586)
  std::size_t ranges = http::max_ranges;             ///< of one request; with more, the answer is the whole object
  std::size_t remembered_hits = 8'192;               ///< of each loop: answers that are given again to the same request
  std::size_t listing_entries = 100'000;             ///< of one PROPFIND: about 40 MB of XML
  std::chrono::milliseconds listing_timeout{60'000}; ///< a store is asked page by page
  std::chrono::milliseconds write_timeout{60'000};   ///< head of the answer to an unsafe method, its upload included
  std::shared_ptr<digest_memory> digests{};          ///< null: none are computed
  std::uint64_t body_bytes = http::server_limits{}.body_bytes; ///< of a request, its framing taken off
};

/// Lives in `http::request::notes`; the bodies of the answer point into it. Loop of the connection alone.
struct exchange_notes {
  std::shared_ptr<const web_settings> settings;
  std::shared_ptr<const space::name_space> space; ///< null until the path was resolved
  cache::lookup_report report;
  bool looked_up = false; ///< the cache was asked: `report` means something
  std::optional<error_kind> failure;
  std::string client;
  net::ip_address address; ///< the same as `client`
  std::string account;     ///< the network of `client`, which limits are for
  std::string challenge;   ///< WWW-Authenticate of a refusal: an origin's, or of the rules of the namespace
  std::optional<space::url_signature> signature{}; ///< of a signed URL, taken out of the query; nothing verified
  std::string signed_path;                         ///< the raw path that it was shown for
  std::uint64_t generation = 0;                    ///< of `settings`
  cache::held_object held{};                       ///< what was read, if it may be recalled
  bool by_place = false; ///< let in by network or certificate, which a browser shows for every page
  /// The end of the token that let the reader in: so long may the answer's body go on.
  wall_time admitted_until = wall_time::max();

  /// One word for metrics and the log.
  std::string_view outcome() const noexcept;
  /// Price of a GB of the origin that stands behind the answer.
  double egress_usd_per_gb() const noexcept;

  static exchange_notes* of(const http::request& asked) noexcept {
    return static_cast<exchange_notes*>(asked.notes.get());
  }
};

} // namespace forebay::front
