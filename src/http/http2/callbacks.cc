#include "http/http2/callbacks.h"

#include "http/http2/connection.h"

namespace forebay::http {
namespace {

http2_connection& of(void* user_data) noexcept { return *static_cast<http2_connection*>(user_data); }

std::string_view text(const std::uint8_t* bytes, std::size_t length) noexcept {
  return {reinterpret_cast<const char*>(bytes), length};
}

bool begins_request(const nghttp2_frame* frame) noexcept {
  return frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST;
}

int on_begin_headers(nghttp2_session*, const nghttp2_frame* frame, void* user_data) {
  if (!begins_request(frame)) return 0;
  return of(user_data).begin_head(frame->hd.stream_id) ? 0 : NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

int on_header(nghttp2_session*, const nghttp2_frame* frame, const std::uint8_t* name, std::size_t name_length,
              const std::uint8_t* value, std::size_t value_length, std::uint8_t, void* user_data) {
  http2_connection& mine = of(user_data);
  if (begins_request(frame)) {
    const bool fits = mine.add_field(text(name, name_length), text(value, value_length));
    return fits ? 0 : NGHTTP2_ERR_CALLBACK_FAILURE;
  }
  http2_exchange* const exchange = mine.find(frame->hd.stream_id);
  if (exchange != nullptr) exchange->take_trailer(text(name, name_length), text(value, value_length));
  return 0;
}

int on_frame(nghttp2_session*, const nghttp2_frame* frame, void* user_data) {
  http2_connection& mine = of(user_data);
  if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA) return 0;
  const bool ends = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
  if (begins_request(frame)) {
    mine.open_exchange(frame->hd.stream_id, !ends);
  } else if (http2_exchange* const exchange = ends ? mine.find(frame->hd.stream_id) : nullptr) {
    exchange->end_of_request();
  }
  return 0;
}

int on_data(nghttp2_session*, std::uint8_t, std::int32_t stream, const std::uint8_t* data, std::size_t length,
            void* user_data) {
  http2_connection& mine = of(user_data);
  http2_exchange* const exchange = mine.find(stream);
  if (exchange != nullptr) {
    exchange->take_body(text(data, length));
  } else {
    mine.consume(stream, length); // of a stream that is over: the connection's window must not shrink
  }
  return 0;
}

int on_stream_close(nghttp2_session*, std::int32_t stream, std::uint32_t, void* user_data) {
  of(user_data).close_exchange(stream);
  return 0;
}

/// Control frames and heads: few bytes, copied.
ssize_t on_send(nghttp2_session*, const std::uint8_t* data, std::size_t length, int, void* user_data) {
  http2_connection& mine = of(user_data);
  if (!mine.has_room()) return NGHTTP2_ERR_WOULDBLOCK;
  mine.append(std::as_bytes(std::span(data, length)));
  return static_cast<ssize_t>(length);
}

/// A DATA frame: its head is copied, its body is the slice that the handler gave.
int on_send_data(nghttp2_session*, nghttp2_frame* frame, const std::uint8_t* head, std::size_t length,
                 nghttp2_data_source*, void* user_data) {
  constexpr std::size_t frame_head_bytes = 9; // RFC 9113 §4.1
  http2_connection& mine = of(user_data);
  if (!mine.has_room()) return NGHTTP2_ERR_WOULDBLOCK;
  http2_exchange* const exchange = mine.find(frame->hd.stream_id);
  if (exchange == nullptr || !exchange->offered(length)) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
  mine.append(std::as_bytes(std::span(head, frame_head_bytes)));
  if (length > 0) mine.append(exchange->take(length));
  mine.body_sent();
  return 0;
}

int on_frame_sent(nghttp2_session*, const nghttp2_frame* frame, void* user_data) {
  if (frame->hd.type == NGHTTP2_RST_STREAM) of(user_data).forgive(frame->hd.stream_id);
  const bool ends = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
  const bool of_answer = frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA;
  if (!ends || !of_answer) return 0;
  if (http2_exchange* const exchange = of(user_data).find(frame->hd.stream_id)) exchange->end_sent();
  return 0;
}

ssize_t read_body(nghttp2_session* session, std::int32_t stream, std::uint8_t*, std::size_t room, std::uint32_t* flags,
                  nghttp2_data_source*, void* user_data) {
  http2_exchange* const exchange = of(user_data).find(stream);
  if (exchange == nullptr) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
  bool at_end = false;
  const std::size_t length = exchange->offer(room, at_end);
  if (length == 0 && !at_end) return NGHTTP2_ERR_DEFERRED;
  *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
  if (!at_end) return static_cast<ssize_t>(length);
  *flags |= NGHTTP2_DATA_FLAG_EOF;
  if (const header_table* const trailers = exchange->answer_trailers()) {
    const http2_answer_fields fields(*trailers);
    if (fields.size() > 0 && nghttp2_submit_trailer(session, stream, fields.data(), fields.size()) == 0)
      *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
  }
  return static_cast<ssize_t>(length);
}

} // namespace

const nghttp2_session_callbacks* http2_callbacks() {
  static const nghttp2_session_callbacks* const made = [] {
    nghttp2_session_callbacks* all = nullptr;
    if (nghttp2_session_callbacks_new(&all) != 0) throw std::bad_alloc();
    nghttp2_session_callbacks_set_on_begin_headers_callback(all, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(all, on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(all, on_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(all, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(all, on_stream_close);
    nghttp2_session_callbacks_set_send_callback(all, on_send);
    nghttp2_session_callbacks_set_send_data_callback(all, on_send_data);
    nghttp2_session_callbacks_set_on_frame_send_callback(all, on_frame_sent);
    return all;
  }();
  return made;
}

nghttp2_data_provider http2_body_provider() noexcept {
  nghttp2_data_provider from{};
  from.read_callback = read_body;
  return from;
}

} // namespace forebay::http
