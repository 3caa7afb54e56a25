// Digests that are computed for a reader who wants one that nobody has given.
#include <algorithm>
#include <deque>

#include "front/repr_digest.h"

namespace forebay::front {
namespace {

constexpr std::size_t piece_bytes = 64 * 1024; // hashed at once: a fraction of a millisecond of the loop

/// Two digests at once, where the representation's and the content's are of two kinds.
struct digests {
  std::unique_ptr<origin::digester> repr, content;
  void update(std::span<const std::byte> bytes) {
    if (repr != nullptr) repr->update(bytes);
    if (content != nullptr) content->update(bytes);
  }
};

/// What was read ahead, pinned where it lies.
class held_body final : public http::body_source {
public:
  held_body(std::deque<net::slice> pieces, digest_memory::room room)
      : pieces_(std::move(pieces)), room_(std::move(room)) {}
  net::task<result<net::slice>> next(std::size_t max_bytes) override {
    if (pieces_.empty()) co_return net::slice{};
    net::slice& first = pieces_.front();
    const std::size_t count = std::min(max_bytes, first.length_bytes());
    net::slice given = first.part(0, count);
    if (count == first.length_bytes())
      pieces_.pop_front();
    else
      first = first.part(count, first.length_bytes() - count);
    co_return given;
  }

private:
  std::deque<net::slice> pieces_;
  digest_memory::room room_;
};

/// Passes a whole representation on, and remembers its digest when all of it has passed.
class observed_body final : public http::body_source {
public:
  observed_body(std::unique_ptr<http::body_source> inner, origin::digest_kind kind, std::uint64_t length,
                std::shared_ptr<digest_memory> memory, key128 name)
      : inner_(std::move(inner)),
        sum_(origin::digester::make(kind)),
        left_(length),
        memory_(std::move(memory)),
        name_(name) {}
  net::task<result<net::slice>> next(std::size_t max_bytes) override { return pass(this, max_bytes); }
  const http::header_table* trailers() const noexcept override { return inner_->trailers(); }

private:
  static net::task<result<net::slice>> pass(observed_body* self, std::size_t max_bytes) {
    auto piece = co_await self->inner_->next(std::min(max_bytes, piece_bytes));
    if (!piece || self->sum_ == nullptr) co_return piece;
    self->sum_->update(piece->bytes);
    self->left_ -= std::min<std::uint64_t>(self->left_, piece->length_bytes());
    if (self->left_ == 0) {
      self->memory_->remember(self->name_, self->sum_->finish());
      self->sum_.reset();
      self->memory_->count_computed();
    }
    co_return piece;
  }

  const std::unique_ptr<http::body_source> inner_;
  std::unique_ptr<origin::digester> sum_; ///< null: done
  std::uint64_t left_;
  const std::shared_ptr<digest_memory> memory_;
  const key128 name_;
};

/// Reads `body` to its end into `pieces`; broken where it is not of `length`.
net::task<result<void>> read_ahead(std::unique_ptr<http::body_source> body, std::uint64_t length, digests* sums,
                                   std::deque<net::slice>* pieces) {
  std::uint64_t came = 0;
  for (;;) {
    auto piece = co_await body->next(piece_bytes);
    if (!piece) co_return fail(std::move(piece.error()));
    if (piece->empty()) break;
    sums->update(piece->bytes);
    came += piece->length_bytes();
    pieces->push_back(std::move(*piece));
  }
  if (came != length) co_return fail(error_kind::broken, "cache", "an answer that was read ahead is not whole");
  co_return result<void>{};
}

std::vector<origin::expected_digest> remembered(const digested_object& object, const cache::stored_head& head) {
  std::vector<origin::expected_digest> found;
  if (object.memory == nullptr || !head.pinned || !head.length_bytes) return found;
  for (const auto kind : {origin::digest_kind::sha512, origin::digest_kind::sha256, origin::digest_kind::crc32c}) {
    auto digest = object.memory->recall(digest_memory::name_of(object.name, head.pinned, *head.length_bytes, kind));
    if (digest) found.push_back({kind, std::move(*digest), "computed"});
  }
  return found;
}

/// Last-Modified tells versions apart, and not the variants of one.
bool has_version_name(const cache::stored_head& head) {
  const bool by_date = head.pinned.kind == origin::validator_kind::last_modified;
  return head.pinned && !(by_date && head.fields.has("vary"));
}

} // namespace

net::task<result<void>> tell_digests(http::response* answer, const http::header_table* request,
                                     std::shared_ptr<const cache::stored_head> head, digested_object object) {
  const unsigned status = answer->head.status;
  const bool wants = request->has("want-repr-digest") || request->has("want-content-digest");
  if (!wants || head->status != 200 || (status != 200 && status != 206)) co_return result<void>{};
  if (!has_version_name(*head)) object.memory.reset();
  add_wanted_digests(answer->head, *request, *head, remembered(object, *head));
  const bool whole = status == 200, one_range = status == 206 && answer->head.fields.has("content-range");
  if (object.memory == nullptr || answer->body == nullptr || !answer->length_bytes || !(whole || one_range))
    co_return result<void>{};

  const auto missing = [&](const char* field, const char* preferences) {
    const bool said = answer->head.fields.has(field) || head->fields.has(field) || head->whole_fields.has(field);
    return said ? std::nullopt : computable(*request, preferences);
  };
  const auto repr = whole ? missing("repr-digest", "want-repr-digest") : std::nullopt;
  const auto content = missing("content-digest", "want-content-digest");
  if (!repr && !content) co_return result<void>{};
  const std::uint64_t length = *answer->length_bytes;
  const auto name = [&](origin::digest_kind kind) {
    return digest_memory::name_of(object.name, head->pinned, length, kind);
  };
  if (length > object.memory->limits().answer_bytes) {
    const auto of_whole = repr ? repr : whole ? content : std::nullopt;
    if (of_whole) {
      answer->body =
          std::make_unique<observed_body>(std::move(answer->body), *of_whole, length, object.memory, name(*of_whole));
    }
    co_return result<void>{};
  }
  auto room = digest_memory::take_room(object.memory, length);
  if (!room) co_return result<void>{};
  digests sums;
  if (repr) sums.repr = origin::digester::make(*repr);
  if (content) sums.content = origin::digester::make(*content);
  std::deque<net::slice> pieces;
  auto read = co_await read_ahead(std::move(answer->body), length, &sums, &pieces);
  if (!read) co_return fail(std::move(read.error()));
  answer->body = std::make_unique<held_body>(std::move(pieces), std::move(room));
  const auto tell = [&](const char* field, origin::digest_kind kind, origin::digester& sum) {
    std::string value = sum.finish();
    answer->head.fields.add(field, render_digest(kind, value));
    if (whole) object.memory->remember(name(kind), std::move(value));
    object.memory->count_computed();
  };
  if (repr) tell("Repr-Digest", *repr, *sums.repr);
  if (content) tell("Content-Digest", *content, *sums.content);
  co_return result<void>{};
}

} // namespace forebay::front
