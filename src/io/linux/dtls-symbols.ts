/** The functions and numbers of OpenSSL's libssl that DTLS needs (openssl/ssl.h, srtp.h, bio.h, x509.h; 3.0 to 3.5). */
import { bindOpenSsl } from "./openssl.ts";

export type DtlsSymbols = ReturnType<typeof bindDtlsSymbols>;

/** Throws when the node binary lacks one. */
export function bindDtlsSymbols() {
  return bindOpenSsl({
    dtlsMethod: "uintptr_t DTLS_method()",
    /** (library context, properties of algorithms, method) */
    contextNew: "uintptr_t SSL_CTX_new_ex(uintptr_t, uintptr_t, uintptr_t)",
    contextFree: "void SSL_CTX_free(uintptr_t)",
    contextControl: "long SSL_CTX_ctrl(uintptr_t, int, long, uintptr_t)",
    contextSetOptions: "uint64_t SSL_CTX_set_options(uintptr_t, uint64_t)",
    contextSetCiphers: "int SSL_CTX_set_cipher_list(uintptr_t, uintptr_t)",
    contextSetVerify: "void SSL_CTX_set_verify(uintptr_t, int, uintptr_t)",
    contextSetCertificateCheck: "void SSL_CTX_set_cert_verify_callback(uintptr_t, uintptr_t, uintptr_t)",
    contextSetCookieCheck: "void SSL_CTX_set_cookie_verify_cb(uintptr_t, uintptr_t)",
    contextSetProfiles: "int SSL_CTX_set_tlsext_use_srtp(uintptr_t, uintptr_t)",
    contextUseCertificate: "int SSL_CTX_use_certificate(uintptr_t, uintptr_t)",
    contextUseKey: "int SSL_CTX_use_PrivateKey(uintptr_t, uintptr_t)",
    connectionNew: "uintptr_t SSL_new(uintptr_t)",
    connectionFree: "void SSL_free(uintptr_t)",
    connectionControl: "long SSL_ctrl(uintptr_t, int, long, uintptr_t)",
    setBios: "void SSL_set_bio(uintptr_t, uintptr_t, uintptr_t)",
    setAccepting: "void SSL_set_accept_state(uintptr_t)",
    setConnecting: "void SSL_set_connect_state(uintptr_t)",
    setTimer: "void DTLS_set_timer_cb(uintptr_t, uintptr_t)",
    listen: "int DTLSv1_listen(uintptr_t, uintptr_t)",
    handshake: "int SSL_do_handshake(uintptr_t)",
    read: "int SSL_read(uintptr_t, uintptr_t, int)",
    freeBuffers: "int SSL_free_buffers(uintptr_t)",
    shutdown: "int SSL_shutdown(uintptr_t)",
    errorOf: "int SSL_get_error(uintptr_t, int)",
    profile: "uintptr_t SSL_get_selected_srtp_profile(uintptr_t)",
    exportKeying:
      "int SSL_export_keying_material(uintptr_t, uintptr_t, size_t, uintptr_t, size_t, uintptr_t, size_t, int)",
    bioMemory: "uintptr_t BIO_s_mem()",
    bioNew: "uintptr_t BIO_new(uintptr_t)",
    bioWrite: "int BIO_write(uintptr_t, uintptr_t, int)",
    bioRead: "int BIO_read(uintptr_t, uintptr_t, int)",
    bioControl: "long BIO_ctrl(uintptr_t, int, long, uintptr_t)",
    addressNew: "uintptr_t BIO_ADDR_new()",
    storeCertificate: "uintptr_t X509_STORE_CTX_get0_cert(uintptr_t)",
    storeSetError: "void X509_STORE_CTX_set_error(uintptr_t, int)",
    clearErrors: "void ERR_clear_error()",
  });
}

/** Commands of SSL_CTX_ctrl and SSL_ctrl. */
export const control = {
  setMtu: 17,
  setSessionCache: 44,
  setCertificatesSizeMax: 51,
  getTimeout: 73,
  handleTimeout: 74,
  setGroups: 92,
  setVersionMin: 123,
  setVersionMax: 124,
} as const;

/** Commands of BIO_ctrl. */
export const bioControl = { reset: 1, pending: 10, setEndOfData: 130 } as const;

export const dtls12 = 0xfefd;

/**
 * SSL_OP_NO_QUERY_MTU, SSL_OP_NO_TICKET, SSL_OP_NO_COMPRESSION, SSL_OP_CIPHER_SERVER_PREFERENCE (of groups too),
 * SSL_OP_NO_RENEGOTIATION.
 */
export const contextOptions = 0x1000 + 0x4000 + 0x2_0000 + 0x40_0000 + 0x4000_0000;

/** SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT. */
export const demandCertificate = 3;

/** X509_V_ERR_CERT_REJECTED, which becomes the alert bad_certificate (RFC 8122 section 5.1). */
export const certificateRejected = 28;

export const sslError = { wantRead: 2, wantWrite: 3 } as const;
