#include "http/client_transfer.h"

#include <fmt/format.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>

#include "base/text.h"
#include "http/client_error.h"
#include "http/syntax.h"

namespace forebay::http {
namespace {

/// What libcurl reads from a socket at once. Large, so that a fast link costs few calls; each transfer in
/// flight holds one.
constexpr long receive_buffer_bytes = 256 * 1024;
constexpr long upload_buffer_bytes = 256 * 1024;
/// Bytes kept for a reader who is away before libcurl has to keep the rest itself.
constexpr std::size_t overflow_bytes = receive_buffer_bytes;
/// Room made for them at once: about what came with the head from a fast origin, before there was a reader.
constexpr std::uint64_t overflow_begin_bytes = 120 * 1024;

} // namespace

client_transfer::client_transfer(std::shared_ptr<client_engine> engine, std::shared_ptr<const client_settings> settings,
                                 client_target target, bool policy_applies)
    : engine_(std::move(engine)),
      settings_(std::move(settings)),
      target_(std::move(target)),
      policy_applies_(policy_applies) {}

client_transfer::~client_transfer() {
  detach();
  if (easy_ != nullptr) engine_->give_back(easy_);
  curl_slist_free_all(fields_);
  curl_slist_free_all(pins_);
}

void client_transfer::detach() noexcept {
  if (!attached_) return;
  attached_ = false;
  engine_->remove(easy_);
}

result<void> client_transfer::start(client_request& asked, const name_pins& pins,
                                    std::chrono::milliseconds connect_within) {
  on_interim_ = std::move(asked.on_interim);
  easy_ = engine_->take_easy();
  if (easy_ == nullptr) return fail(error_kind::internal, target_.place(), "libcurl gave no handle");
  if (!is_token(asked.method)) return fail(error_kind::invalid_input, target_.place(), "the method is not a token");
  auto fields = set_fields(asked);
  if (!fields) return fields;
  curl_easy_setopt(easy_, CURLOPT_URL, asked.url.c_str());
  set_connection_options(pins, connect_within);
  show_certificate(asked);
  set_method(asked);
  attached_ = true;
  const CURLMcode code = engine_->add(easy_);
  if (code != CURLM_OK) {
    attached_ = false;
    return fail(error_kind::internal, target_.place(), curl_multi_strerror(code));
  }
  return {};
}

result<void> client_transfer::set_fields(const client_request& asked) {
  bool accept = false;
  const auto append = [this](const std::string& line) { fields_ = curl_slist_append(fields_, line.c_str()); };
  for (std::size_t i = 0; i < asked.fields.size(); ++i) {
    const auto [name, value] = asked.fields.at(i);
    const bool clean =
        std::none_of(value.begin(), value.end(), [](unsigned char c) { return (c < 0x20 && c != '\t') || c == 0x7f; });
    if (!is_token(name) || !clean) {
      return fail(error_kind::invalid_input, target_.place(), "a field of the request holds what HTTP does not allow");
    }
    // Framing and the connection are libcurl's business.
    if (iequals(name, "Content-Length") || iequals(name, "Transfer-Encoding") || iequals(name, "Connection") ||
        iequals(name, "Expect")) {
      continue;
    }
    accept = accept || iequals(name, "Accept");
    // libcurl's spelling of an empty value is a semicolon.
    append(value.empty() ? fmt::format("{};", name) : fmt::format("{}: {}", name, value));
  }
  if (!accept) append("Accept:"); // libcurl adds its own otherwise
  append("Expect:");              // no pause of a second before an upload
  curl_easy_setopt(easy_, CURLOPT_HTTPHEADER, fields_);
  curl_easy_setopt(easy_, CURLOPT_HEADEROPT, static_cast<long>(CURLHEADER_SEPARATE)); // not for the proxy
  return {};
}

void client_transfer::set_connection_options(const name_pins& pins, std::chrono::milliseconds connect_within) {
  const auto set = [this](CURLoption option, auto value) { curl_easy_setopt(easy_, option, value); };
  set(CURLOPT_PRIVATE, this);
  set(CURLOPT_ERRORBUFFER, detail_);
  set(CURLOPT_NOSIGNAL, 1L);
  set(CURLOPT_NOPROGRESS, 1L);
  set(CURLOPT_PROTOCOLS_STR, "http,https");
  set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  set(CURLOPT_PATH_AS_IS, 1L);
  set(CURLOPT_FOLLOWLOCATION, 0L);
  set(CURLOPT_HTTP_CONTENT_DECODING, 0L);
  set(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  set(CURLOPT_BUFFERSIZE, receive_buffer_bytes);
  set(CURLOPT_UPLOAD_BUFFERSIZE, upload_buffer_bytes);
  set(CURLOPT_TCP_KEEPALIVE, 1L);
  set(CURLOPT_TCP_KEEPIDLE, 30L); // seconds: below the idle limits of usual NATs
  set(CURLOPT_TCP_KEEPINTVL, 15L);
  set(CURLOPT_MAXLIFETIME_CONN, 600L); // seconds: a pooled connection must not pin an old address for ever
  set(CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(std::max<std::int64_t>(1, connect_within.count())));
  set(CURLOPT_SSL_VERIFYPEER, 1L);
  set(CURLOPT_SSL_VERIFYHOST, 2L);
  set(CURLOPT_PROXY, settings_->proxy.c_str()); // empty: none, whatever the environment says
  set(CURLOPT_NOPROXY, "");
  if (!settings_->ca_bundle.empty()) {
    set(CURLOPT_CAINFO, settings_->ca_bundle.c_str());
    set(CURLOPT_PROXY_CAINFO, settings_->ca_bundle.c_str());
  }
  set(CURLOPT_USERAGENT, settings_->user_agent.empty() ? "forebay/" FOREBAY_VERSION : settings_->user_agent.c_str());
  for (const std::string& each : pins) pins_ = curl_slist_append(pins_, each.c_str());
  if (pins_ != nullptr) set(CURLOPT_RESOLVE, pins_);
  engine_->watch_tls(easy_);
  set(CURLOPT_OPENSOCKETFUNCTION, on_open_socket);
  set(CURLOPT_OPENSOCKETDATA, this);
  set(CURLOPT_PREREQFUNCTION, on_connected);
  set(CURLOPT_PREREQDATA, this);
  set(CURLOPT_HEADERFUNCTION, on_header);
  set(CURLOPT_HEADERDATA, this);
  set(CURLOPT_WRITEFUNCTION, on_body);
  set(CURLOPT_WRITEDATA, this);
}

/// By value, not by path: connections are then shared by those who show the same certificate, and by no others.
void client_transfer::show_certificate(const client_request& asked) {
  shown_ = asked.certificate != nullptr ? asked.certificate->now() : nullptr;
  if (shown_ == nullptr) return;
  const auto lend = [this](CURLoption option, const std::string& text) {
    curl_blob blob{const_cast<char*>(text.data()), text.size(), CURL_BLOB_NOCOPY};
    curl_easy_setopt(easy_, option, &blob);
  };
  curl_easy_setopt(easy_, CURLOPT_SSLCERTTYPE, "PEM");
  curl_easy_setopt(easy_, CURLOPT_SSLKEYTYPE, "PEM");
  lend(CURLOPT_SSLCERT_BLOB, shown_->certificates);
  lend(CURLOPT_SSLKEY_BLOB, shown_->key);
}

void client_transfer::set_method(client_request& asked) {
  const std::string& method = asked.method;
  if (method == "GET") {
    curl_easy_setopt(easy_, CURLOPT_HTTPGET, 1L);
    return;
  }
  if (method == "HEAD") {
    head_only_ = true;
    curl_easy_setopt(easy_, CURLOPT_NOBODY, 1L);
    return;
  }
  curl_easy_setopt(easy_, CURLOPT_CUSTOMREQUEST, method.c_str());
  // libcurl repeats a request when a pooled connection turns out to be dead. What changes things must not be
  // repeated (RFC 9110 §9.2.2), and a streamed body cannot be.
  curl_easy_setopt(easy_, CURLOPT_FRESH_CONNECT, 1L);
  uploading_ =
      asked.upload != nullptr || !asked.body.empty() || method == "POST" || method == "PUT" || method == "PATCH";
  if (!uploading_) return;
  if (asked.upload == nullptr) {
    upload_total_ = asked.body.size();
    upload_ = net::make_slice(std::move(asked.body));
    upload_offered_ = *upload_total_;
    upload_ended_ = true;
  } else {
    upload_total_ = asked.upload_bytes;
  }
  curl_easy_setopt(easy_, CURLOPT_UPLOAD, 1L);
  curl_easy_setopt(easy_, CURLOPT_INFILESIZE_LARGE,
                   upload_total_ ? static_cast<curl_off_t>(*upload_total_) : static_cast<curl_off_t>(-1));
  curl_easy_setopt(easy_, CURLOPT_READFUNCTION, on_read);
  curl_easy_setopt(easy_, CURLOPT_READDATA, this);
}

curl_socket_t client_transfer::on_open_socket(void* self, curlsocktype, curl_sockaddr* address) {
  auto& mine = *static_cast<client_transfer*>(self);
  const bool checked = mine.policy_applies_ && mine.settings_->proxy.empty(); // a proxy is the operator's word
  if (checked) {
    const auto found = address_of(address->addr);
    if (!found || !mine.settings_->addresses.permits(*found)) {
      mine.refused_address_ = found ? found->to_string() : "of an unknown family";
      return CURL_SOCKET_BAD;
    }
  }
  return ::socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

int client_transfer::on_connected(void* self, char*, char*, int, int) {
  auto& mine = *static_cast<client_transfer*>(self);
  mine.stage_ = mine.uploading_ ? stage::sending : stage::waiting;
  mine.wake();
  return CURL_PREREQFUNC_OK;
}

std::size_t client_transfer::on_read(char* into, std::size_t size, std::size_t count, void* self) {
  auto& mine = *static_cast<client_transfer*>(self);
  if (mine.upload_.empty()) {
    if (mine.upload_ended_) {
      if (mine.stage_ == stage::sending) mine.stage_ = stage::waiting;
      mine.wake();
      return 0;
    }
    mine.upload_starved_ = true;
    mine.wake();
    return CURL_READFUNC_PAUSE;
  }
  const std::size_t taken = std::min(size * count, mine.upload_.length_bytes());
  std::memcpy(into, mine.upload_.bytes.data(), taken);
  mine.upload_ = taken == mine.upload_.length_bytes() ? net::slice{}
                                                      : mine.upload_.part(taken, mine.upload_.length_bytes() - taken);
  const bool whole = mine.upload_total_ && mine.upload_offered_ == *mine.upload_total_ && mine.upload_.empty();
  if (whole && mine.stage_ == stage::sending) mine.stage_ = stage::waiting; // libcurl asks no further
  mine.wake();                                                              // moves the deadline
  return taken;
}

result<void> client_transfer::offer(net::slice piece) {
  upload_starved_ = false;
  if (piece.empty()) {
    if (upload_total_ && upload_offered_ != *upload_total_) {
      return fail(error_kind::broken, target_.place(),
                  fmt::format("the body to send ended after {} of {} bytes", upload_offered_, *upload_total_));
    }
    upload_ended_ = true;
  } else {
    upload_offered_ += piece.length_bytes();
    if (upload_total_ && upload_offered_ > *upload_total_) {
      return fail(error_kind::broken, target_.place(),
                  fmt::format("the body to send is longer than its {} bytes", *upload_total_));
    }
    upload_ = std::move(piece);
  }
  if (attached_) engine_->resume(easy_);
  return {};
}

void client_transfer::wake() {
  if (woken_) return;
  woken_ = true;
  engine_->wake(*this);
}

std::size_t client_transfer::on_body(char* bytes, std::size_t size, std::size_t count, void* self) {
  return static_cast<client_transfer*>(self)->receive(std::as_bytes(std::span(bytes, size * count)));
}

std::size_t client_transfer::receive(std::span<const std::byte> bytes) {
  const std::size_t held = overflow_.size() - overflow_at_;
  if (held >= overflow_bytes) {
    paused_ = true;
    return CURL_WRITEFUNC_PAUSE; // delivered again after the next read
  }
  std::size_t direct = 0;
  if (held == 0 && span_filled_ < span_.size()) {
    direct = std::min(span_.size() - span_filled_, bytes.size());
    std::memcpy(span_.data() + span_filled_, bytes.data(), direct);
    span_filled_ += direct;
  }
  if (direct < bytes.size()) {
    if (overflow_.capacity() == 0 && body_total_) overflow_.reserve(std::min(*body_total_, overflow_begin_bytes));
    overflow_.insert(overflow_.end(), bytes.begin() + static_cast<std::ptrdiff_t>(direct), bytes.end());
  }
  body_received_ += bytes.size();
  wake();
  const bool room = span_filled_ < span_.size();
  const bool complete = body_total_ && body_received_ >= *body_total_;
  // Pausing both directions stops libcurl from looking at the socket at all; while a body is still being sent
  // that would stop the upload, and the overflow's limit has to do.
  if (!room && !complete && !paused_ && (!uploading_ || upload_complete())) {
    paused_ = true;
    curl_easy_pause(easy_, CURLPAUSE_ALL);
  }
  return bytes.size();
}

std::size_t client_transfer::take(std::span<std::byte> into) {
  const std::size_t taken = std::min(into.size(), overflow_.size() - overflow_at_);
  if (taken == 0) return 0;
  std::memcpy(into.data(), overflow_.data() + overflow_at_, taken);
  overflow_at_ += taken;
  if (overflow_at_ == overflow_.size()) {
    overflow_.clear();
    overflow_at_ = 0;
  }
  return taken;
}

void client_transfer::begin_receive(std::span<std::byte> into) {
  span_ = into;
  span_filled_ = 0;
  if (!paused_ || !attached_) return;
  paused_ = false;
  engine_->resume(easy_);
}

std::size_t client_transfer::end_receive() noexcept {
  const std::size_t filled = span_filled_;
  span_ = {};
  span_filled_ = 0;
  return filled;
}

void client_transfer::abort(error why) {
  if (finished_) return;
  finished_ = true;
  failure_ = std::move(why);
  detach();
  if (!span_.empty()) notify(); // a reader may still wait here
}

void client_transfer::finish(CURLcode code) {
  attached_ = false;
  if (finished_) return;
  finished_ = true;
  if (head_done_) flush_field(); // the last trailer
  if (!failure_ && code != CURLE_OK) failure_ = describe(code);
  if (!failure_ && !head_done_) {
    failure_ = error{error_kind::broken, target_.place(), "the connection ended before the head of an answer", true};
  }
  // RFC 9112 §8: without close_notify anybody on the way could have cut the body.
  if (!failure_ && tls_session_ != nullptr && !engine_->tls_ended(tls_session_)) {
    failure_ = error{
        error_kind::broken, target_.place(),
        fmt::format("the body of unknown length broke off after {} bytes: TLS was not closed", body_received_), true};
  }
  const bool short_body = body_total_ && body_received_ < *body_total_;
  if (!failure_ && short_body) failure_ = describe(CURLE_PARTIAL_FILE);
  wake();
}

error client_transfer::describe(CURLcode code) const {
  exchange_state state;
  state.place = target_.place();
  state.connecting = stage_ == stage::connecting;
  state.head_done = head_done_;
  state.refused_address = refused_address_;
  state.received_bytes = body_received_;
  state.total_bytes = body_total_;
  state.detail = detail_;
  state.connect_timeout = settings_->limits.connect_timeout;
  return describe_failure(code, state);
}

} // namespace forebay::http
