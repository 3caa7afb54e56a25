#include "http/client.h"

#include <fmt/format.h>

#include <utility>

#include "http/client_engine.h"
#include "http/client_target.h"
#include "http/client_transfer.h"

namespace forebay::http {
namespace {

/// Bytes of a request's body that are asked for at once.
constexpr std::size_t upload_piece_bytes = 256 * 1024;
/// libcurl ends a connection attempt itself and knows more about it; ours is the backstop.
constexpr std::chrono::milliseconds connect_grace{250};

thread_local std::unique_ptr<client> current_client;

/// The body of one exchange. Destroying it ends the exchange.
class transfer_body final : public client_body {
public:
  transfer_body(std::shared_ptr<client_transfer> transfer, std::string place, std::chrono::milliseconds stall)
      : transfer_(std::move(transfer)), place_(std::move(place)), stall_(stall) {}
  ~transfer_body() override {
    transfer_->abort(error{error_kind::cancelled, std::move(place_), "nobody reads the answer any more"});
  }

  net::task<result<std::size_t>> read_some(std::span<std::byte> into) override {
    return read(transfer_, into, stall_, place_);
  }
  bool at_end() const noexcept override { return transfer_->whole_body_arrived(); }
  const header_table* trailers() const noexcept override {
    return at_end() && transfer_->trailers().size() > 0 ? &transfer_->trailers() : nullptr;
  }

private:
  /// Static, with everything by value: the body may be destroyed while its reader waits.
  static net::task<result<std::size_t>> read(std::shared_ptr<client_transfer> transfer, std::span<std::byte> into,
                                             std::chrono::milliseconds stall, std::string place);

  std::shared_ptr<client_transfer> transfer_;
  std::string place_;
  std::chrono::milliseconds stall_;
};

/// Takes the span away from libcurl when the read ends, also when its frame is destroyed.
struct lent_span {
  explicit lent_span(client_transfer& to, std::span<std::byte> into) : transfer(to) { transfer.begin_receive(into); }
  ~lent_span() { transfer.end_receive(); }
  client_transfer& transfer;
};

net::task<result<std::size_t>> transfer_body::read(std::shared_ptr<client_transfer> transfer, std::span<std::byte> into,
                                                   std::chrono::milliseconds stall, std::string place) {
  if (into.empty()) co_return fail(error_kind::internal, place, "a read needs room for at least one byte");
  const std::size_t ready = transfer->take(into);
  if (ready > 0) co_return ready;
  if (!transfer->finished()) {
    const lent_span lent(*transfer, into);
    const auto until = net::deadline::after(stall);
    while (transfer->received_here() == 0 && !transfer->finished()) {
      const bool told = co_await transfer->changed(until);
      if (told || transfer->received_here() > 0 || transfer->finished()) continue;
      transfer->abort(error{error_kind::timeout, place,
                            fmt::format("the body stalled: no byte within {} ms", stall.count()), true});
    }
    if (transfer->received_here() > 0) co_return transfer->received_here();
  }
  if (transfer->failure()) co_return fail(*transfer->failure());
  co_return std::size_t{0};
}

/// The deadline of what the exchange is doing, and the sentence when it passes.
struct stage_limit {
  net::deadline at;
  std::string missed;
};

stage_limit limit_of(client_transfer::stage stage, steady_time since, const client_limits& limits) {
  switch (stage) {
  case client_transfer::stage::connecting:
    return {{since + limits.connect_timeout + connect_grace},
            fmt::format("no connection within {} ms", limits.connect_timeout.count())};
  case client_transfer::stage::sending:
    return {{since + limits.stall_timeout},
            fmt::format("the origin took no byte of the request for {} ms", limits.stall_timeout.count())};
  default:
    return {{since + limits.first_byte_timeout},
            fmt::format("no first byte within {} ms", limits.first_byte_timeout.count())};
  }
}

/// Waits for the head; pulls the request's body meanwhile. The upload is pulled here, in the caller's
/// coroutine, so that nobody reads from it after `send` has returned.
net::task<result<void>> await_head(std::shared_ptr<client_transfer> transfer, std::unique_ptr<body_source> upload,
                                   client_target target, client_limits limits, net::deadline until) {
  auto stage = transfer->now_at();
  auto since = std::chrono::steady_clock::now();
  for (;;) {
    // An answer of success while the body is still on its way does not end the sending; a refusal does.
    const bool sending_on = transfer->now_at() != client_transfer::stage::connecting && upload != nullptr &&
                            !transfer->upload_complete() && transfer->head().status < 300;
    const bool answered = transfer->finished() || (transfer->head_ready() && !sending_on);
    if (answered) break;
    if (upload != nullptr && transfer->wants_upload()) {
      auto piece = co_await upload->next(upload_piece_bytes);
      if (!piece) co_return fail(std::move(piece.error()));
      auto offered = transfer->offer(std::move(*piece));
      if (!offered) co_return fail(std::move(offered.error()));
      since = std::chrono::steady_clock::now();
      continue;
    }
    const stage_limit limit = limit_of(stage, since, limits);
    const bool caller_first = until.at < limit.at.at;
    const bool told = co_await transfer->changed(caller_first ? until : limit.at);
    if (told) {
      const auto now_at = sending_on ? client_transfer::stage::sending : transfer->now_at();
      const bool moved = now_at != stage || now_at == client_transfer::stage::sending;
      if (moved) since = std::chrono::steady_clock::now();
      stage = now_at;
      continue;
    }
    co_return fail(error_kind::timeout, target.place(),
                   caller_first ? std::string("no answer before the deadline of the request") : limit.missed, true);
  }
  if (!transfer->head_ready()) {
    error why{error_kind::internal, target.place(), "no answer and no failure"};
    if (transfer->failure()) why = *transfer->failure();
    co_return fail(std::move(why));
  }
  co_return result<void>{};
}

std::shared_ptr<const client_settings> settings_for(const client_request& asked,
                                                    const std::shared_ptr<const client_settings>& all) {
  if (!asked.direct || all->proxy.empty()) return all;
  auto without = std::make_shared<client_settings>(*all);
  without->proxy.clear();
  return without;
}

} // namespace

struct client::impl {
  std::shared_ptr<client_engine> engine = std::make_shared<client_engine>();
  net::resolver names;
  std::shared_ptr<const client_settings> settings;
};

client::client(std::shared_ptr<const client_settings> settings) : impl_(std::make_shared<impl>()) {
  impl_->settings = std::move(settings);
}
client::~client() = default;

void client::update(std::shared_ptr<const client_settings> settings) { impl_->settings = std::move(settings); }

net::task<result<client_response>> client::send(client_request asked, net::deadline until) {
  const std::shared_ptr<impl> mine = impl_;
  const std::shared_ptr<const client_settings> settings = settings_for(asked, mine->settings);
  const auto began = std::chrono::steady_clock::now();
  const auto target = parse_target(asked.url);
  if (!target) co_return fail(target.error());

  const net::deadline connected_by = until.within(settings->limits.connect_timeout);
  auto pins = co_await pin_names(mine->names, *target, asked.policy_applies, settings, connected_by);
  if (!pins) co_return fail(std::move(pins.error()));
  const auto left =
      std::chrono::duration_cast<std::chrono::milliseconds>(connected_by.at - std::chrono::steady_clock::now());
  if (left.count() <= 0) {
    co_return fail(error_kind::timeout, target->place(), "no time was left to connect after its name was resolved",
                   true);
  }

  auto transfer = std::make_shared<client_transfer>(mine->engine, settings, *target, asked.policy_applies);
  auto started = transfer->start(asked, *pins, left);
  if (!started) co_return fail(std::move(started.error()));
  auto headed = co_await await_head(transfer, std::move(asked.upload), *target, settings->limits, until);
  if (!headed) {
    transfer->abort(headed.error());
    co_return fail(std::move(headed.error()));
  }
  client_response answer;
  answer.head = std::move(transfer->head());
  answer.first_byte = std::chrono::steady_clock::now() - began;
  answer.body = std::make_unique<transfer_body>(std::move(transfer), target->place(), settings->limits.stall_timeout);
  co_return answer;
}

client& client::current() noexcept {
  if (current_client == nullptr) std::terminate();
  return *current_client;
}

client* client::try_current() noexcept { return current_client.get(); }

void client::install(std::unique_ptr<client> mine) { current_client = std::move(mine); }

} // namespace forebay::http
