// nghttp2's callbacks, which speak to the connection and its exchanges. For http2/ alone.
#pragma once

#include <nghttp2/nghttp2.h>

namespace forebay::http {

/// Made once for the process; a session's user data is its http2_connection.
const nghttp2_session_callbacks* http2_callbacks();
/// Where nghttp2 asks for an answer's body; the stream's exchange has it.
nghttp2_data_provider http2_body_provider() noexcept;

} // namespace forebay::http
