// A client of HTTP/2 whose requests are written down first and whose answers are read afterwards, for tests. It is
// nghttp2's, so that only valid frames come.
#pragma once

#include <gtest/gtest.h>
#include <map>
#include <nghttp2/nghttp2.h>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace forebay::http::testing {

struct seen_answer {
  std::string status, fields, body;
  std::uint32_t reset = UINT32_MAX; ///< error code of a stream that did not end well
  bool ended = false;
};

using fields = std::vector<std::pair<std::string, std::string>>;

class written_client {
public:
  explicit written_client(std::uint32_t window_bytes = 32u << 20) {
    nghttp2_session_callbacks* all = nullptr;
    nghttp2_session_callbacks_new(&all);
    nghttp2_session_callbacks_set_on_header_callback(all, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(all, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(all, on_close);
    nghttp2_session_callbacks_set_on_frame_recv_callback(all, on_frame);
    nghttp2_session_client_new(&session_, all, this);
    nghttp2_session_callbacks_del(all);
    const nghttp2_settings_entry window{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, window_bytes};
    nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, &window, 1);
    nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, 0, 64 << 20);
  }
  written_client(const written_client&) = delete;
  written_client& operator=(const written_client&) = delete;
  ~written_client() { nghttp2_session_del(session_); }

  /// The number of the request's stream.
  std::int32_t ask(const std::string& path, const std::string& method = "GET", fields more = {},
                   std::optional<std::string> body = {}) {
    fields all{{":method", method}, {":scheme", "http"}, {":authority", "h"}, {":path", path}};
    all.insert(all.end(), more.begin(), more.end());
    std::vector<nghttp2_nv> pairs;
    for (auto& [name, value] : all)
      pairs.push_back({reinterpret_cast<std::uint8_t*>(name.data()), reinterpret_cast<std::uint8_t*>(value.data()),
                       name.size(), value.size(), NGHTTP2_NV_FLAG_NONE});
    nghttp2_data_provider from{};
    from.read_callback = read_body;
    const std::int32_t stream =
        nghttp2_submit_request(session_, nullptr, pairs.data(), pairs.size(), body ? &from : nullptr, nullptr);
    if (body) bodies_[stream] = *body;
    return stream;
  }
  void cancel(std::int32_t stream) { nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, stream, NGHTTP2_CANCEL); }
  std::string written() {
    std::string text;
    const std::uint8_t* data = nullptr;
    for (ssize_t count; (count = nghttp2_session_mem_send(session_, &data)) > 0;)
      text.append(reinterpret_cast<const char*>(data), static_cast<std::size_t>(count));
    return text;
  }
  void read(const std::string& sent) {
    const ssize_t taken =
        nghttp2_session_mem_recv(session_, reinterpret_cast<const std::uint8_t*>(sent.data()), sent.size());
    EXPECT_EQ(taken, static_cast<ssize_t>(sent.size())) << nghttp2_strerror(static_cast<int>(taken));
  }

  std::map<std::int32_t, seen_answer> answers;
  bool going_away = false;

private:
  static written_client& of(void* data) { return *static_cast<written_client*>(data); }
  static std::string text(const std::uint8_t* bytes, std::size_t length) {
    return {reinterpret_cast<const char*>(bytes), length};
  }
  static int on_header(nghttp2_session*, const nghttp2_frame* frame, const std::uint8_t* name, std::size_t name_length,
                       const std::uint8_t* value, std::size_t value_length, std::uint8_t, void* data) {
    seen_answer& into = of(data).answers[frame->hd.stream_id];
    if (text(name, name_length) == ":status") {
      into.status += (into.status.empty() ? "" : " ") + text(value, value_length);
    } else {
      into.fields += text(name, name_length) + "=" + text(value, value_length) + ";";
    }
    return 0;
  }
  static int on_data(nghttp2_session*, std::uint8_t, std::int32_t stream, const std::uint8_t* bytes, std::size_t length,
                     void* data) {
    of(data).answers[stream].body += text(bytes, length);
    return 0;
  }
  static int on_close(nghttp2_session*, std::int32_t stream, std::uint32_t code, void* data) {
    seen_answer& one = of(data).answers[stream];
    one.ended = code == NGHTTP2_NO_ERROR;
    one.reset = code;
    return 0;
  }
  static int on_frame(nghttp2_session*, const nghttp2_frame* frame, void* data) {
    if (frame->hd.type == NGHTTP2_GOAWAY) of(data).going_away = true;
    return 0;
  }
  static ssize_t read_body(nghttp2_session*, std::int32_t stream, std::uint8_t* into, std::size_t room,
                           std::uint32_t* flags, nghttp2_data_source*, void* data) {
    std::string& left = of(data).bodies_[stream];
    const std::size_t length = std::min(room, left.size());
    left.copy(reinterpret_cast<char*>(into), length);
    left.erase(0, length);
    if (left.empty()) *flags |= NGHTTP2_DATA_FLAG_EOF;
    return static_cast<ssize_t>(length);
  }

  nghttp2_session* session_ = nullptr;
  std::map<std::int32_t, std::string> bodies_;
};

} // namespace forebay::http::testing
