// A ClientHello within OpenSSL's client_hello_cb, as a value.
#ifndef RELAYD_INGRESS_TLS_HELLO_H_
#define RELAYD_INGRESS_TLS_HELLO_H_

#include <optional>

#include "ingress/tls_stream.h"

namespace ingress {

// nullopt: malformed, or of SSL 2's form.
std::optional<TlsHello> ReadHello(SSL* ssl);

}  // namespace ingress

#endif  // RELAYD_INGRESS_TLS_HELLO_H_
