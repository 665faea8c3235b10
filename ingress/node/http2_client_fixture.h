// For tests: an HTTP/2 client, nghttp2's own, at the other end of a stream in memory.
#ifndef RELAYD_INGRESS_NODE_HTTP2_CLIENT_FIXTURE_H_
#define RELAYD_INGRESS_NODE_HTTP2_CLIENT_FIXTURE_H_

#include <nghttp2/nghttp2.h>

#include <cstdint>
#include <cstring>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ingress/node/http_exchange.h"
#include "ingress/node/memory_stream_fixture.h"
#include "relay/control/text.h"

namespace ingress {

class Http2Client {
 public:
  // An answer so far, as one text: `200 x=y|body|trailer=z`.
  struct Reply {
    std::string head, body, trailers;
    bool head_done = false, closed = false;
    uint32_t error = 0;
    std::string text() const { return relay::text::Cat(head, "|", body, "|", trailers); }
  };
  // A request's body, as much as is there; `ended` behind it.
  struct Upload {
    std::string bytes;
    HttpFields trailers;
    bool ended = false;
    size_t sent = 0;
  };

  Http2Client(EventLoop& loop, MemoryClient& wire, bool opens_windows = true) : loop_(loop), wire_(wire) {
    nghttp2_session_callbacks* callbacks = nullptr;
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, OnHeader);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, OnData);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, OnFrame);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, OnClose);
    nghttp2_option* option = nullptr;
    nghttp2_option_new(&option);
    nghttp2_option_set_no_auto_window_update(option, opens_windows ? 0 : 1);
    nghttp2_option_set_no_http_messaging(option, 1);               // It may send what it likes,
    nghttp2_option_set_peer_max_concurrent_streams(option, 1000);  // and as much, until it is told.
    nghttp2_session_client_new2(&session_, callbacks, this, option);
    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, nullptr, 0);
  }
  ~Http2Client() { nghttp2_session_del(session_); }
  Http2Client(const Http2Client&) = delete;
  Http2Client& operator=(const Http2Client&) = delete;

  static HttpFields Get(std::string path = "/x") {
    return {{":method", "GET"}, {":scheme", "https"}, {":authority", "node.example"}, {":path", std::move(path)}};
  }
  static HttpFields With(HttpFields fields, std::string_view name, std::string_view value) {
    for (auto& [its_name, its_value] : fields) {
      if (its_name == name) {
        its_value = value;
        return fields;
      }
    }
    fields.emplace_back(name, value);
    return fields;
  }
  static HttpFields Post() { return With(Get(), ":method", "POST"); }

  int32_t Ask(const HttpFields& fields, Upload* upload = nullptr) {
    const std::vector<nghttp2_nv> values = ToNv(fields);
    nghttp2_data_provider provider{};
    provider.source.ptr = upload;
    provider.read_callback = ReadUpload;
    return nghttp2_submit_request(session_, nullptr, values.data(), values.size(), upload ? &provider : nullptr,
                                  nullptr);
  }
  // More of an upload is there.
  void Resume(int32_t id) { nghttp2_session_resume_data(session_, id); }
  void Reset(int32_t id) { nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, id, NGHTTP2_CANCEL); }

  // Until neither side has anything to say.
  void Talk() {
    bool more = true;
    while (more) {
      more = false;
      const uint8_t* frames = nullptr;
      for (ssize_t size = 0; (size = nghttp2_session_mem_send(session_, &frames)) > 0;) {
        wire_.Send({reinterpret_cast<const char*>(frames), static_cast<size_t>(size)});
        more = true;
      }
      more = Listen() || more;
    }
  }
  bool Listen() {
    Settle(loop_);
    const std::string bytes = wire_.Receive();
    nghttp2_session_mem_recv(session_, reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
    return !bytes.empty();
  }
  const Reply& ReplyTo(const HttpFields& fields, Upload* upload = nullptr) {
    const int32_t id = Ask(fields, upload);
    Talk();
    return replies[id];
  }

  nghttp2_session* session() { return session_; }
  std::map<int32_t, Reply> replies;
  std::optional<uint32_t> goaway;  // Its error.
  std::map<int32_t, uint32_t> settings;

 private:
  static Http2Client& Of(void* user) { return *static_cast<Http2Client*>(user); }
  static uint8_t* Bytes(const std::string& s) { return reinterpret_cast<uint8_t*>(const_cast<char*>(s.data())); }
  static std::vector<nghttp2_nv> ToNv(const HttpFields& fields) {
    std::vector<nghttp2_nv> values;
    for (const auto& [name, value] : fields) {
      values.push_back({Bytes(name), Bytes(value), name.size(), value.size(), NGHTTP2_NV_FLAG_NONE});
    }
    return values;
  }
  static ssize_t ReadUpload(nghttp2_session* session, int32_t id, uint8_t* buffer, size_t size, uint32_t* flags,
                            nghttp2_data_source* source, void*) {
    Upload& upload = *static_cast<Upload*>(source->ptr);
    const size_t taken = std::min(size, upload.bytes.size());
    std::memcpy(buffer, upload.bytes.data(), taken);
    upload.bytes.erase(0, taken);
    upload.sent += taken;
    if (upload.bytes.empty() && upload.ended) {
      *flags |= NGHTTP2_DATA_FLAG_EOF;
      if (!upload.trailers.empty()) {
        *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
        const std::vector<nghttp2_nv> values = ToNv(upload.trailers);
        nghttp2_submit_trailer(session, id, values.data(), values.size());
      }
    } else if (taken == 0) {
      return NGHTTP2_ERR_DEFERRED;
    }
    return static_cast<ssize_t>(taken);
  }
  static int OnHeader(nghttp2_session*, const nghttp2_frame* frame, const uint8_t* name, size_t name_size,
                      const uint8_t* value, size_t value_size, uint8_t, void* user) {
    Reply& reply = Of(user).replies[frame->hd.stream_id];
    const std::string_view n(reinterpret_cast<const char*>(name), name_size);
    const std::string_view v(reinterpret_cast<const char*>(value), value_size);
    std::string& to = reply.head_done ? reply.trailers : reply.head;
    if (!to.empty()) to += " ";
    relay::text::AppendAll(to, n == ":status" ? "" : n, n == ":status" ? "" : "=", v);
    return 0;
  }
  static int OnData(nghttp2_session*, uint8_t, int32_t id, const uint8_t* bytes, size_t size, void* user) {
    Of(user).replies[id].body.append(reinterpret_cast<const char*>(bytes), size);
    return 0;
  }
  static int OnFrame(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    if (frame->hd.type == NGHTTP2_GOAWAY) Of(user).goaway = frame->goaway.error_code;
    if (frame->hd.type == NGHTTP2_HEADERS) {
      Reply& reply = Of(user).replies[frame->hd.stream_id];
      if (!reply.head.ends_with("100") && !reply.head.ends_with("early")) reply.head_done = true;
    }
    if (frame->hd.type == NGHTTP2_SETTINGS) {
      for (size_t i = 0; i < frame->settings.niv; ++i) {
        Of(user).settings[frame->settings.iv[i].settings_id] = frame->settings.iv[i].value;
      }
    }
    return 0;
  }
  static int OnClose(nghttp2_session*, int32_t id, uint32_t error, void* user) {
    Of(user).replies[id].closed = true;
    Of(user).replies[id].error = error;
    return 0;
  }

  EventLoop& loop_;
  MemoryClient& wire_;
  nghttp2_session* session_ = nullptr;
};

}  // namespace ingress

#endif  // RELAYD_INGRESS_NODE_HTTP2_CLIENT_FIXTURE_H_
