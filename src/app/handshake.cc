// TLS handshakes of accepted connections, within their limits.
#include <array>

#include "app/connections.h"
#include "base/log.h"

namespace forebay::app {
namespace {

metrics::counter& outcome(std::string_view result) {
  const std::array<metrics::label, 1> labels{{{"result", result}}};
  return metrics::global().get_counter(
      "forebay_tls_handshakes_total",
      "TLS handshakes by result: full, resumed, refused (limits.tls_handshakes), timeout, unauthorised, failed",
      labels);
}

/// A place among the handshakes in progress.
class handshake_place {
public:
  explicit handshake_place(metrics::gauge& in_progress) : in_progress_(in_progress) { in_progress_.add(1); }
  ~handshake_place() { in_progress_.add(-1); }
  handshake_place(const handshake_place&) = delete;
  handshake_place& operator=(const handshake_place&) = delete;

private:
  metrics::gauge& in_progress_;
};

void count_failure(handshake_counts& counts, const error& why, const net::endpoint& peer) {
  log::debug("tls", "handshake with {}: {}", peer.to_string(), why.message());
  switch (why.kind) {
  case error_kind::timeout: counts.timed_out.add(); break;
  case error_kind::forbidden: counts.unauthorised.add(); break;
  default: counts.failed.add(); break;
  }
}

} // namespace

handshake_counts::handshake_counts()
    : in_progress(metrics::global().get_gauge("forebay_tls_handshakes_in_progress", "TLS handshakes in progress")),
      full(outcome("full")),
      resumed(outcome("resumed")),
      refused(outcome("refused")),
      timed_out(outcome("timeout")),
      unauthorised(outcome("unauthorised")),
      failed(outcome("failed")),
      in_kernel(metrics::global().get_counter("forebay_tls_kernel_connections_total",
                                              "Connections whose bytes the kernel encrypts (kTLS)")) {}

net::task<std::unique_ptr<net::stream>> secure(std::unique_ptr<net::stream> plain, std::shared_ptr<listener_terms> tls,
                                               std::shared_ptr<accept_context> context) {
  handshake_counts& counts = context->handshakes;
  const auto limits = context->limits.get();
  if (counts.in_progress.value() >= static_cast<std::int64_t>(limits->tls_handshakes)) {
    counts.refused.add();
    plain->abort();
    co_return nullptr;
  }
  const net::endpoint peer = plain->peer();
  const handshake_place mine(counts.in_progress);
  const auto until = net::deadline::after(limits->tls_handshake_timeout);
  auto secured = co_await net::accept_tls(std::move(plain), tls->get(), until);
  if (!secured) {
    count_failure(counts, secured.error(), peer);
    co_return nullptr;
  }
  const net::tls_info& agreed = *(*secured)->tls();
  (agreed.resumed ? counts.resumed : counts.full).add();
  if (agreed.in_kernel) counts.in_kernel.add();
  co_return std::move(*secured);
}

} // namespace forebay::app
