// One exchange with an origin inside libcurl: options, callbacks, and the bytes between libcurl and a reader.
#pragma once

#include <curl/curl.h>

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "http/client.h"
#include "http/client_certificate.h"
#include "http/client_engine.h"
#include "http/client_target.h"

namespace forebay::http {

/// Owns the easy handle from `start` until it is destroyed; destroying it aborts what is unfinished. Body bytes
/// go straight into the span of a waiting reader; what does not fit goes to an overflow of at most two receive
/// buffers, then libcurl is paused until the next read. Owner: the coroutine of `send`, then the body. Loop
/// thread only.
class client_transfer : public std::enable_shared_from_this<client_transfer> {
public:
  /// What the exchange is doing, which decides the deadline that applies.
  enum class stage { connecting, sending, waiting, receiving };

  client_transfer(std::shared_ptr<client_engine> engine, std::shared_ptr<const client_settings> settings,
                  client_target target, bool policy_applies);
  ~client_transfer();
  client_transfer(const client_transfer&) = delete;
  client_transfer& operator=(const client_transfer&) = delete;

  /// Builds and starts the exchange. invalid_input where the request holds what HTTP does not allow.
  result<void> start(client_request& asked, const name_pins& pins, std::chrono::milliseconds connect_within);

  // The head.
  stage now_at() const noexcept { return stage_; }
  bool head_ready() const noexcept { return head_done_; }
  response_head& head() noexcept { return head_; }
  bool finished() const noexcept { return finished_; }
  /// Why it failed; only after `finished`, nothing after a proper end.
  const std::optional<error>& failure() const noexcept { return failure_; }

  // The upload, pulled by `send`.
  /// libcurl waits for more, or has all that was announced: then the end is still to be seen.
  bool wants_upload() const noexcept {
    const bool all = upload_total_ && upload_offered_ == *upload_total_;
    return (upload_starved_ || all) && !upload_ended_ && !finished_;
  }
  bool upload_complete() const noexcept { return upload_ended_ && upload_.empty(); }
  /// The next bytes of the request's body; an empty slice ends it. broken when they disagree with the length.
  result<void> offer(net::slice piece);

  // The body.
  /// Bytes that have arrived already; 0 when there are none.
  std::size_t take(std::span<std::byte> into);
  /// Lets libcurl write into `into` until `end_receive`; bytes may be there when this returns.
  void begin_receive(std::span<std::byte> into);
  std::size_t end_receive() noexcept; ///< how many bytes came
  std::size_t received_here() const noexcept { return span_filled_; }
  bool whole_body_arrived() const noexcept { return finished_ && !failure_; }
  /// Only after `finished`.
  const header_table& trailers() const noexcept { return trailers_; }

  /// Ends the exchange now with `why` as its failure (the first failure stays).
  void abort(error why);
  /// Called by the engine when libcurl has ended the exchange and let go of the handle.
  void finish(CURLcode code);
  /// Wakes the coroutine that waits in `changed`.
  void notify() {
    woken_ = false;
    changed_.notify();
  }
  net::task<bool> changed(net::deadline until) const { return changed_.wait(until); }

private:
  static std::size_t on_header(char* text, std::size_t size, std::size_t count, void* self);
  static std::size_t on_body(char* bytes, std::size_t size, std::size_t count, void* self);
  static std::size_t on_read(char* into, std::size_t size, std::size_t count, void* self);
  static int on_connected(void* self, char*, char*, int, int);
  static curl_socket_t on_open_socket(void* self, curlsocktype purpose, curl_sockaddr* address);

  result<void> set_fields(const client_request& asked);
  void show_certificate(const client_request& asked);
  void set_connection_options(const name_pins& pins, std::chrono::milliseconds connect_within);
  void set_method(client_request& asked);
  bool take_header_line(std::string_view line);
  bool begin_head(std::string_view status_line);
  void take_field(std::string_view line);
  void flush_field();
  bool end_head();
  bool refuse_head(std::string context);
  std::size_t receive(std::span<const std::byte> bytes);
  void wake();
  error describe(CURLcode code) const;
  void detach() noexcept;

  std::shared_ptr<client_engine> engine_;
  std::shared_ptr<const client_settings> settings_;
  client_target target_;
  bool policy_applies_;
  net::event changed_;

  std::shared_ptr<const client_pem> shown_; ///< libcurl reads it where it lies
  CURL* easy_ = nullptr;
  bool attached_ = false; ///< the multi handle knows the easy handle
  curl_slist* fields_ = nullptr;
  curl_slist* pins_ = nullptr;
  char detail_[CURL_ERROR_SIZE] = {};
  stage stage_ = stage::connecting;
  bool head_only_ = false;

  response_head head_;
  std::size_t head_bytes_ = 0;
  std::function<void(const response_head&)> on_interim_;
  std::string last_name_, last_value_; ///< the field that a folded line may still continue
  bool head_done_ = false;
  header_table trailers_;

  net::slice upload_;
  std::string small_body_;
  bool uploading_ = false, upload_ended_ = false, upload_starved_ = false;
  std::optional<std::uint64_t> upload_total_;
  std::uint64_t upload_offered_ = 0;

  std::span<std::byte> span_;
  std::size_t span_filled_ = 0;
  std::vector<std::byte> overflow_;
  std::size_t overflow_at_ = 0;
  bool paused_ = false;
  std::optional<std::uint64_t> body_total_;
  std::uint64_t body_received_ = 0;
  const void* tls_session_ = nullptr; ///< set where only the session's end marks the body's end
  bool woken_ = false;

  bool finished_ = false;
  std::optional<error> failure_;
  std::string refused_address_; ///< the last address that policy kept us from
};

} // namespace forebay::http
