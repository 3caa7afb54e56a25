#include "http/recaller.h"

#include <algorithm>
#include <span>

namespace forebay::http {
namespace {

constexpr std::string_view head_end = "\r\n\r\n";

/// The first head in `came`, with its empty line; nothing where it is not whole, or no GET.
std::string_view first_head(std::string_view came) noexcept {
  if (!came.starts_with("GET ")) return {};
  const std::size_t end = came.find(head_end); // by memchr: a few looks a head, where memmem goes byte by byte
  return end == std::string_view::npos ? std::string_view() : came.substr(0, end + head_end.size());
}

} // namespace

/// As many answers as a turn may have; how many bytes of requests they are for, and of their own.
std::size_t recaller::recall(std::string_view came, net::stream& to, std::uint64_t& bytes) noexcept {
  const auto began = std::chrono::steady_clock::now();
  std::size_t used = 0;
  while (count_ < answers_at_once && bytes < bytes_at_once) {
    const std::string_view head = first_head(came.substr(used));
    if (head.empty()) break;
    if (answers_.size() == count_) answers_.emplace_back();
    recalled& next = answers_[count_];
    if (!front_.recall(head, to, next)) {
      next.clear();
      break;
    }
    next.began = began;
    next.asked_bytes = head.size();
    used += head.size();
    bytes += next.head.size() + next.body_bytes;
    ++count_;
  }
  return used;
}

std::size_t recaller::answer(std::string_view came, net::stream& to) noexcept {
  count_ = 0;
  std::uint64_t bytes = 0;
  const std::size_t used = recall(came, to, bytes);
  if (count_ == 0) return 0;
  gather();
  const auto now = std::chrono::steady_clock::now();
  for (std::size_t i = 0; i < count_; ++i) answers_[i].first_byte = now - answers_[i].began;
  sent_bytes_ = to.send_now(pieces_);
  owed_ = sent_bytes_ < bytes || to.holds_back();
  if (owed_) return keep_begun(used);
  end(to, true, sent_bytes_);
  return used;
}

/// A slow reader holds no more memory than the answer that he is taking: those of which nothing has left are given up.
std::size_t recaller::keep_begun(std::size_t used) noexcept {
  std::uint64_t behind = 0;
  std::size_t kept = 0;
  while (kept < count_ && (kept == 0 || behind < sent_bytes_)) {
    behind += answers_[kept].head.size() + answers_[kept].body_bytes;
    ++kept;
  }
  std::size_t pieces = 0;
  for (std::size_t i = 0; i < kept; ++i) pieces += 1 + answers_[i].pieces;
  pieces_.resize(pieces);
  for (std::size_t i = kept; i < count_; ++i) {
    used -= answers_[i].asked_bytes;
    answers_[i].clear();
  }
  count_ = kept;
  return used;
}

void recaller::trim() {
  if (answers_.size() > 1) answers_.resize(1);
  answers_.shrink_to_fit();
  pieces_.shrink_to_fit();
}

void recaller::gather() {
  pieces_.clear();
  for (std::size_t i = 0; i < count_; ++i) {
    recalled& each = answers_[i];
    pieces_.push_back(net::borrow(each.head));
    for (std::size_t k = 0; k < each.pieces; ++k) pieces_.push_back(std::move(each.body[k]));
  }
}

net::task<bool> recaller::send_rest(net::stream& to, std::chrono::milliseconds stall) {
  // What has left is dropped from the pieces; a reader who breaks off is told by how much was handed over before.
  std::size_t skip = sent_bytes_, first = 0;
  while (first < pieces_.size() && skip >= pieces_[first].length_bytes()) skip -= pieces_[first++].length_bytes();
  if (skip > 0) pieces_[first] = pieces_[first].part(skip, pieces_[first].length_bytes() - skip);
  const std::span<const net::slice> left = std::span(pieces_).subspan(first);
  recalled& present = answers_[count_ - 1]; // those before it have left
  front_.recall_waits(present, to);
  present.told_waiting = true;
  const auto sent = co_await to.send(left, false, stall);
  std::size_t all = 0;
  for (std::size_t i = 0; i < count_; ++i) all += answers_[i].head.size() + answers_[i].body_bytes;
  end(to, sent.has_value(), sent ? all : sent_bytes_);
  co_return sent.has_value();
}

/// Tells the front what came of each answer and lets go of them. Of a broken run those count as complete that had left
/// before it had to wait.
void recaller::end(net::stream& to, bool complete, std::size_t sent_bytes) noexcept {
  owed_ = false;
  const auto now = std::chrono::steady_clock::now();
  for (std::size_t i = 0; i < count_; ++i) {
    recalled& each = answers_[i];
    const std::size_t whole = each.head.size() + each.body_bytes;
    const std::size_t left = std::min(sent_bytes, whole);
    sent_bytes -= left;
    const std::uint64_t body = left > each.head.size() ? left - each.head.size() : 0;
    front_.recall_ended(each, to, body, complete || left == whole, now - each.began);
    each.clear();
  }
  pieces_.clear(); // the slices in it hold pins
}

} // namespace forebay::http
