// The data listener: HTTP for readers (GET, HEAD, ranges, conditions), WebDAV listing, writes that pass through.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "cache/cache.h"
#include "front/access_log.h"
#include "front/hit_memory.h"
#include "front/notes.h"
#include "front/problem.h"
#include "front/published.h"
#include "front/request_metrics.h"
#include "front/target.h"
#include "http/server.h"

namespace forebay::front {

/// One for the node, for all loops and data listeners. It decides what a request means and what the answer looks
/// like; it never looks into a tier or speaks to a store by itself (PROPFIND and writes ask the namespace's source).
class web_front final : public http::handler {
public:
  /// `log` may be null (no access log). All three outlive the front.
  web_front(cache::content_cache& cache, std::shared_ptr<const web_settings> settings, access_log* log);

  net::task<http::response> handle(http::request& asked) override;
  void finished(const http::exchange_record& record, const http::response& answer) noexcept override;
  http::response refuse(const error& why, unsigned status) override;
  bool recall(std::string_view raw_head, net::stream& to, http::recalled& into) noexcept override;
  bool recall_refusal(std::string_view raw_head, const error& why, unsigned status,
                      http::recalled& into) noexcept override;
  void recall_waits(http::recalled& answer, const net::stream& to) noexcept override;
  void recall_ended(const http::recalled& answer, const net::stream& to, std::uint64_t sent_bytes, bool complete,
                    std::chrono::nanoseconds total) noexcept override;

  /// A reload: requests that come later see `settings`, and no answer that others gave is recalled.
  void update(std::shared_ptr<const web_settings> settings);
  std::shared_ptr<const web_settings> settings() const { return settings_.get(); }

private:
  static constexpr std::size_t loops_max = 256; ///< on those beyond nothing is remembered
  /// Of this loop; null where there is none, and `make` does not ask for one: the first request shall not wait for it.
  hit_memory* hits_here(bool make) noexcept;
  void remember(const http::exchange_record& record, const http::response& answer);
  net::task<http::response> route(http::request& asked, target wanted);
  /// Whether the namespace's rules, or its origin where that decides, let the request in; before the cache is looked
  /// up, hit or miss alike.
  net::task<result<void>> admit(http::request& asked, space::placement* where);
  /// No namespace claims the path, for the reason `why`.
  net::task<http::response> answer_outside(http::request& asked, std::string path, error why);
  net::task<http::response> read(http::request& asked, space::placement where, std::string path);
  /// Any method in a namespace of messages.
  net::task<http::response> message(http::request& asked, space::placement where, std::string path);
  net::task<http::response> write(http::request& asked, space::placement where, std::string path);
  net::task<http::response> list(http::request& asked, space::placement where, std::string path);
  http::response failure(http::request& asked, const error& why, unsigned status, std::string_view path,
                         std::string_view type = {});

  cache::content_cache& cache_;
  published<web_settings> settings_;
  access_log* log_;
  request_metrics metrics_;
  std::atomic<std::uint64_t> generation_{1}; ///< of the settings; raised when they are in place
  std::atomic<std::size_t> remembered_hits_;
  std::array<std::unique_ptr<hit_memory>, loops_max> hits_; ///< by loop, which alone touches its own
};

/// Whether CDN-Loop names this node: the request has been here before (RFC 8586 §2).
bool names_node_in_loop(const http::header_table& fields, std::string_view node_name);

/// Methods of a resource, for Allow.
std::string_view allowed_methods(bool writable) noexcept;

/// The page at "/" of a node that has no namespace there: what this is, and what can be read.
http::response make_node_page(const web_settings& settings, const http::request& asked);

} // namespace forebay::front
