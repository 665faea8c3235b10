#include "ingress/node/http2_session.h"

#include <array>
#include <memory>
#include <new>
#include <string_view>

#include "ingress/node/http2_connection.h"
#include "ingress/node/http2_request.h"

namespace ingress {
namespace {

using Session = nghttp2_session;

Http2Connection& Of(void* user) { return *static_cast<Http2Connection*>(user); }
std::string_view View(const uint8_t* bytes, size_t size) { return {reinterpret_cast<const char*>(bytes), size}; }

int OnBeginFrame(Session*, const nghttp2_frame_hd* frame, void* user) { return Of(user).OnFrameBegun(*frame); }
int OnBeginHeaders(Session*, const nghttp2_frame* frame, void* user) {
  return frame->headers.cat == NGHTTP2_HCAT_REQUEST ? Of(user).OnStreamBegun(frame->hd.stream_id) : 0;
}
int OnHeader(Session*, const nghttp2_frame* frame, const uint8_t* name, size_t name_size, const uint8_t* value,
             size_t value_size, uint8_t, void* user) {
  return Of(user).OnField(frame->hd.stream_id, View(name, name_size), View(value, value_size));
}
int OnFrameRecv(Session*, const nghttp2_frame* frame, void* user) { return Of(user).OnFrame(*frame); }
int OnDataChunk(Session*, uint8_t, int32_t id, const uint8_t* bytes, size_t size, void* user) {
  return Of(user).OnData(id, View(bytes, size));
}
int OnFrameSend(Session*, const nghttp2_frame* frame, void* user) { return Of(user).OnFrameSent(*frame); }
int OnInvalidFrame(Session*, const nghttp2_frame*, int error, void* user) { return Of(user).OnBadFrame(error); }
int OnStreamClose(Session*, int32_t id, uint32_t, void* user) { return Of(user).OnStreamClosed(id); }

using Callbacks = std::unique_ptr<nghttp2_session_callbacks, decltype(&nghttp2_session_callbacks_del)>;
Callbacks MakeCallbacks() {
  nghttp2_session_callbacks* made = nullptr;
  if (nghttp2_session_callbacks_new(&made) != 0) throw std::bad_alloc();
  nghttp2_session_callbacks_set_on_begin_frame_callback(made, OnBeginFrame);
  nghttp2_session_callbacks_set_on_begin_headers_callback(made, OnBeginHeaders);
  nghttp2_session_callbacks_set_on_header_callback(made, OnHeader);
  nghttp2_session_callbacks_set_on_frame_recv_callback(made, OnFrameRecv);
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(made, OnDataChunk);
  nghttp2_session_callbacks_set_on_frame_send_callback(made, OnFrameSend);
  nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(made, OnInvalidFrame);
  nghttp2_session_callbacks_set_on_stream_close_callback(made, OnStreamClose);
  return {made, nghttp2_session_callbacks_del};
}

using Option = std::unique_ptr<nghttp2_option, decltype(&nghttp2_option_del)>;
Option MakeOption() {
  nghttp2_option* made = nullptr;
  if (nghttp2_option_new(&made) != 0) throw std::bad_alloc();
  nghttp2_option_set_no_auto_window_update(made, 1);  // Responders say what they have consumed.
  nghttp2_option_set_no_closed_streams(made, 1);      // Nobody asks for their priorities.
  // Answers to pings and settings that the client does not read.
  nghttp2_option_set_max_outbound_ack(made, 100);
  return {made, nghttp2_option_del};
}

}  // namespace

nghttp2_session* MakeHttp2Session(Http2Connection& connection) {
  static const Callbacks callbacks = MakeCallbacks();
  static const Option option = MakeOption();
  nghttp2_session* session = nullptr;
  if (nghttp2_session_server_new2(&session, callbacks.get(), &connection, option.get()) != 0) throw std::bad_alloc();
  const std::array<nghttp2_settings_entry, 3> settings = {{
      {.settings_id = NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, .value = Http2Limits::kMaxStreams},
      {.settings_id = NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, .value = Http2Request::kMaxHead},
      {.settings_id = NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, .value = 1},
  }};
  nghttp2_submit_settings(session, NGHTTP2_FLAG_NONE, settings.data(), settings.size());
  nghttp2_session_set_local_window_size(session, NGHTTP2_FLAG_NONE, 0, Http2Limits::kWindow);
  return session;
}

}  // namespace ingress
