// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The error numbers of the library: their texts, and the way between them and
 * the bare GnuTLS codes that the functions on a gnutls_session_t return.
 */
#include <errno.h>
#include <string.h>

#include "internal.h"

/* above: errno; below, down to our own ranges: GnuTLS */
#define QUIC_ERRNO_MAX	133
#define QUIC_RANGE_SIZE	0x10000

static bool quic_error_in(int err, int range)
{
	return err <= range && err > range - QUIC_RANGE_SIZE;
}

/* RFC 8446, section 6. */
static const char *const quic_alert_names[256] = {
	[0]	= "close_notify",
	[10]	= "unexpected_message",
	[20]	= "bad_record_mac",
	[21]	= "decryption_failed",
	[22]	= "record_overflow",
	[40]	= "handshake_failure",
	[42]	= "bad_certificate",
	[43]	= "unsupported_certificate",
	[44]	= "certificate_revoked",
	[45]	= "certificate_expired",
	[46]	= "certificate_unknown",
	[47]	= "illegal_parameter",
	[48]	= "unknown_ca",
	[49]	= "access_denied",
	[50]	= "decode_error",
	[51]	= "decrypt_error",
	[70]	= "protocol_version",
	[71]	= "insufficient_security",
	[80]	= "internal_error",
	[86]	= "inappropriate_fallback",
	[90]	= "user_canceled",
	[109]	= "missing_extension",
	[110]	= "unsupported_extension",
	[112]	= "unrecognized_name",
	[113]	= "bad_certificate_status_response",
	[115]	= "unknown_psk_identity",
	[116]	= "certificate_required",
	[120]	= "no_application_protocol",
};

static const char *const quic_alert_texts[256] = {
	[0]	= "the peer ended the handshake (alert close_notify)",
	[10]	= "the peer refused a message (alert unexpected_message)",
	[20]	= "the peer could not authenticate our message (alert bad_record_mac)",
	[40]	= "the peer found no acceptable parameters (alert handshake_failure)",
	[42]	= "the peer refused our certificate (alert bad_certificate)",
	[43]	= "the peer cannot use our certificate (alert unsupported_certificate)",
	[44]	= "the peer holds our certificate for revoked (alert certificate_revoked)",
	[45]	= "the peer holds our certificate for expired (alert certificate_expired)",
	[46]	= "the peer refused our certificate (alert certificate_unknown)",
	[47]	= "the peer refused a parameter (alert illegal_parameter)",
	[48]	= "the peer does not trust our certificate's issuer (alert unknown_ca)",
	[49]	= "the peer denies access (alert access_denied)",
	[50]	= "the peer could not decode our message (alert decode_error)",
	[51]	= "the peer could not verify our message (alert decrypt_error)",
	[70]	= "the peer does not speak TLS 1.3 (alert protocol_version)",
	[71]	= "the peer asks for stronger parameters (alert insufficient_security)",
	[80]	= "the peer has an internal error (alert internal_error)",
	[90]	= "the peer's user canceled the handshake (alert user_canceled)",
	[109]	= "the peer misses an extension (alert missing_extension)",
	[110]	= "the peer refused an extension (alert unsupported_extension)",
	[112]	= "the peer does not know this host name (alert unrecognized_name)",
	[115]	= "the peer does not know our key's identity (alert unknown_psk_identity)",
	[116]	= "the peer asks for a certificate (alert certificate_required)",
	[120]	= "no application protocol in common (the peer's alert no_application_protocol)",
};

/* RFC 9000, section 20.1, and RFC 9368, section 10.2. */
static const char *const quic_transport_texts[] = {
	[0x00]	= "the connection was closed without an error",
	[0x01]	= "the connection was closed: INTERNAL_ERROR",
	[0x02]	= "the server refused the connection: CONNECTION_REFUSED",
	[0x03]	= "the connection was closed: FLOW_CONTROL_ERROR",
	[0x04]	= "the connection was closed: STREAM_LIMIT_ERROR",
	[0x05]	= "the connection was closed: STREAM_STATE_ERROR",
	[0x06]	= "the connection was closed: FINAL_SIZE_ERROR",
	[0x07]	= "the connection was closed: FRAME_ENCODING_ERROR",
	[0x08]	= "the connection was closed: TRANSPORT_PARAMETER_ERROR",
	[0x09]	= "the connection was closed: CONNECTION_ID_LIMIT_ERROR",
	[0x0a]	= "the connection was closed: PROTOCOL_VIOLATION",
	[0x0b]	= "the connection was closed: INVALID_TOKEN",
	[0x0c]	= "the application closed the connection during the handshake: APPLICATION_ERROR",
	[0x0d]	= "the connection was closed: CRYPTO_BUFFER_EXCEEDED",
	[0x0e]	= "the connection was closed: KEY_UPDATE_ERROR",
	[0x0f]	= "the connection was closed: AEAD_LIMIT_REACHED",
	[0x10]	= "the connection was closed: NO_VIABLE_PATH",
	[0x11]	= "no QUIC version in common: VERSION_NEGOTIATION_ERROR",
};

const char *quic_alert_name(int alert)
{
	if (alert < 0 || alert > 255 || !quic_alert_names[alert])
		return "unknown";
	return quic_alert_names[alert];
}

int quic_error_alert(int err)
{
	if (!quic_error_in(err, QUIC_ERR_PEER_ALERT))
		return -1;
	return QUIC_ERR_PEER_ALERT - err;
}

static const char *quic_own_text(int err)
{
	switch (err) {
	case QUIC_ERR_CREDENTIALS:
		return "a certificate, key, CA or PSK file has no usable content";
	case QUIC_ERR_CERTIFICATE:
		return "the peer's certificate is not trusted";
	case QUIC_ERR_ALPN:
		return "no application protocol in common";
	case QUIC_ERR_NO_TRANSPORT_PARAMS:
		return "the peer sent no QUIC transport parameters";
	case QUIC_ERR_TRANSPORT_PARAMS:
		return "the peer's QUIC transport parameters are wrong";
	case QUIC_ERR_SESSION_DATA:
		return "the session to resume is damaged or of another version";
	case QUIC_ERR_CLOSED:
		return "the connection ended without a reason given";
	default:
		return "unknown error";
	}
}

const char *quic_strerror(int err)
{
	int n;

	if (!err)
		return "success";
	if (err > 0)
		return "unknown error";
	if (err >= -QUIC_ERRNO_MAX)
		return strerror(-err);
	if (quic_error_in(err, QUIC_ERR_PEER_ALERT)) {
		n = QUIC_ERR_PEER_ALERT - err;
		if (n > 255 || !quic_alert_texts[n])
			return "the peer ended the handshake with an alert";
		return quic_alert_texts[n];
	}
	if (quic_error_in(err, QUIC_ERR_TRANSPORT)) {
		n = QUIC_ERR_TRANSPORT - err;
		if (n >= (int)(sizeof(quic_transport_texts) /
			       sizeof(*quic_transport_texts)))
			return "the connection was closed with an error";
		return quic_transport_texts[n];
	}
	if (quic_error_in(err, QUIC_ERR_TLS))
		return gnutls_strerror(err - QUIC_ERR_TLS);
	if (err <= QUIC_ERR_CREDENTIALS)
		return quic_own_text(err);
	return gnutls_strerror(err);
}

/* A GnuTLS code as one of our errors. */
int quic_error_from_tls(int code)
{
	switch (code) {
	case GNUTLS_E_MEMORY_ERROR:
		return -ENOMEM;
	case GNUTLS_E_NO_APPLICATION_PROTOCOL:
		return QUIC_ERR_ALPN;
	case GNUTLS_E_CERTIFICATE_ERROR:
	case GNUTLS_E_CERTIFICATE_VERIFICATION_ERROR:
	case GNUTLS_E_CERTIFICATE_REQUIRED:
	case GNUTLS_E_NO_CERTIFICATE_FOUND:
		return QUIC_ERR_CERTIFICATE;
	default:
		return QUIC_ERR_TLS + code;
	}
}

/* What the functions on a gnutls_session_t report: GnuTLS codes are bare. */
int quic_error_bare(int err)
{
	if (quic_error_in(err, QUIC_ERR_TLS))
		return err - QUIC_ERR_TLS;
	switch (err) {
	case QUIC_ERR_ALPN:
		return GNUTLS_E_NO_APPLICATION_PROTOCOL;
	case QUIC_ERR_CERTIFICATE:
		return GNUTLS_E_CERTIFICATE_VERIFICATION_ERROR;
	case QUIC_ERR_NO_TRANSPORT_PARAMS:
		return GNUTLS_E_MISSING_EXTENSION;
	case QUIC_ERR_TRANSPORT_PARAMS:
	case QUIC_ERR_CREDENTIALS:
		return -EINVAL;
	default:
		return err;
	}
}
