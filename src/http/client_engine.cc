#include "http/client_engine.h"

#include <openssl/ssl.h>

#include <algorithm>
#include <mutex>
#include <utility>

#include "http/client_transfer.h"

namespace forebay::http {
namespace {

/// Idle connections kept over all origins; libcurl closes the oldest beyond it.
constexpr long pooled_connections = 256;
/// Easy handles kept for reuse: each holds a receive buffer.
constexpr std::size_t pooled_handles = 32;
/// How often libcurl may ask to be called again at once before other work of the loop gets its turn.
constexpr int immediate_rounds = 8;

/// Where an SSL_CTX of ours keeps the vector that its sessions' ends are noted in.
int tls_ends_index() {
  static const int index = SSL_CTX_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
  return index;
}

void on_tls_event(const SSL* session, int where, int what) {
  const bool close_notify = where == SSL_CB_READ_ALERT && (what & 0xff) == SSL_AD_CLOSE_NOTIFY;
  if (!close_notify) return;
  auto* const ends =
      static_cast<std::vector<const void*>*>(SSL_CTX_get_ex_data(SSL_get_SSL_CTX(session), tls_ends_index()));
  if (ends != nullptr) ends->push_back(session);
}

void initialise_library() {
  static std::once_flag once;
  std::call_once(once, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
}

} // namespace

client_engine::client_engine() {
  initialise_library();
  multi_ = curl_multi_init();
  curl_multi_setopt(multi_, CURLMOPT_SOCKETFUNCTION, on_socket);
  curl_multi_setopt(multi_, CURLMOPT_SOCKETDATA, this);
  curl_multi_setopt(multi_, CURLMOPT_TIMERFUNCTION, on_timer);
  curl_multi_setopt(multi_, CURLMOPT_TIMERDATA, this);
  curl_multi_setopt(multi_, CURLMOPT_MAXCONNECTS, pooled_connections);
  curl_multi_setopt(multi_, CURLMOPT_PIPELINING, CURLPIPE_NOTHING);
}

client_engine::~client_engine() {
  inside_ = true; // closing sockets calls back; nothing is to be driven any more
  for (CURL* easy : idle_easy_) curl_easy_cleanup(easy);
  curl_multi_cleanup(multi_);
}

CURL* client_engine::take_easy() {
  if (idle_easy_.empty()) return curl_easy_init();
  CURL* const easy = idle_easy_.back();
  idle_easy_.pop_back();
  return easy;
}

void client_engine::give_back(CURL* easy) {
  if (idle_easy_.size() >= pooled_handles) {
    curl_easy_cleanup(easy);
    return;
  }
  curl_easy_reset(easy);
  idle_easy_.push_back(easy);
}

CURLMcode client_engine::add(CURL* easy) {
  const bool outermost = !std::exchange(inside_, true);
  const CURLMcode code = curl_multi_add_handle(multi_, easy);
  if (outermost) settle();
  return code;
}

void client_engine::remove(CURL* easy) {
  // No settling here: this runs in destructors, also while the loop is torn down.
  const bool outermost = !std::exchange(inside_, true);
  curl_multi_remove_handle(multi_, easy);
  if (!outermost) return;
  inside_ = false;
  tls_ends_.clear();
  if (std::exchange(due_now_, false)) {
    timer_.start(std::chrono::microseconds(0), [this] { act(CURL_SOCKET_TIMEOUT, 0); });
  }
}

void client_engine::resume(CURL* easy) {
  const bool outermost = !std::exchange(inside_, true);
  curl_easy_pause(easy, CURLPAUSE_CONT);
  if (outermost) settle();
}

void client_engine::wake(client_transfer& whom) { to_wake_.push_back(whom.shared_from_this()); }

void client_engine::watch_tls(CURL* easy) {
  curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, on_tls_context);
  curl_easy_setopt(easy, CURLOPT_SSL_CTX_DATA, this);
}

CURLcode client_engine::on_tls_context(CURL*, void* context, void* self) {
  auto* const made = static_cast<SSL_CTX*>(context);
  SSL_CTX_set_ex_data(made, tls_ends_index(), &static_cast<client_engine*>(self)->tls_ends_);
  SSL_CTX_set_info_callback(made, on_tls_event);
  return CURLE_OK;
}

bool client_engine::tls_ended(const void* session) const noexcept {
  return std::find(tls_ends_.begin(), tls_ends_.end(), session) != tls_ends_.end();
}

int client_engine::on_socket(CURL*, curl_socket_t fd, int what, void* self, void*) {
  auto& mine = *static_cast<client_engine*>(self);
  if (what == CURL_POLL_REMOVE) {
    mine.watches_.erase(fd);
    return 0;
  }
  auto& watch = mine.watches_[fd];
  if (watch == nullptr) {
    watch = std::make_unique<net::fd_watch>(fd, [&mine, fd](bool readable, bool writable) {
      const int mask = (readable ? CURL_CSELECT_IN : 0) | (writable ? CURL_CSELECT_OUT : 0);
      mine.act(fd, mask);
    });
  }
  watch->set_interest((what & CURL_POLL_IN) != 0, (what & CURL_POLL_OUT) != 0);
  return 0;
}

int client_engine::on_timer(CURLM*, long timeout_ms, void* self) {
  auto& mine = *static_cast<client_engine*>(self);
  mine.due_now_ = timeout_ms == 0;
  if (timeout_ms < 0) {
    mine.timer_.cancel();
  } else if (timeout_ms > 0 || !mine.inside_) {
    mine.timer_.start(std::chrono::milliseconds(timeout_ms), [&mine] { mine.act(CURL_SOCKET_TIMEOUT, 0); });
  }
  return 0;
}

void client_engine::act(curl_socket_t fd, int mask) {
  inside_ = true;
  int running = 0;
  curl_multi_socket_action(multi_, fd, mask, &running);
  settle();
}

void client_engine::settle() {
  for (int round = 0;; ++round) {
    read_messages();
    if (!due_now_) break;
    due_now_ = false;
    if (round == immediate_rounds) {
      timer_.start(std::chrono::microseconds(0), [this] { act(CURL_SOCKET_TIMEOUT, 0); });
      break;
    }
    int running = 0;
    curl_multi_socket_action(multi_, CURL_SOCKET_TIMEOUT, 0, &running);
  }
  inside_ = false;
  tls_ends_.clear(); // a session's address may be another's next time
  const auto waking = std::move(to_wake_);
  to_wake_.clear();
  for (const auto& each : waking) each->notify();
}

void client_engine::read_messages() {
  int left = 0;
  while (const CURLMsg* message = curl_multi_info_read(multi_, &left)) {
    if (message->msg != CURLMSG_DONE) continue;
    CURL* const easy = message->easy_handle;
    const CURLcode code = message->data.result; // the message does not outlive the handle's removal
    client_transfer* transfer = nullptr;
    curl_easy_getinfo(easy, CURLINFO_PRIVATE, &transfer);
    curl_multi_remove_handle(multi_, easy); // the connection goes back to the pool now, not when the body goes
    transfer->finish(code);
  }
}

} // namespace forebay::http
