/*
 * Authenticode signatures. The PKCS #7 message (RFC 2315) is put together here, byte by byte as DER
 * wants it, because libraries that make one add the time; what needs the key and the certificate
 * is libcrypto's.
 */
#include <uni/kernel/efi.h>

#include <endian.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <string.h>
#include <uni/base/system.h>

#include "pe.h"

enum {
	KEY_BITS_LEAST = 2048,
	WIN_CERTIFICATE_SIZE = 8,
	WIN_CERT_REVISION = 0x0200,
	WIN_CERT_PKCS = 0x0002,
	CERTIFICATE_ALIGN = 8,
};

#define FNS(X)                                                                                     \
	X(BIO_new_mem_buf)                                                                         \
	X(BIO_free)                                                                                \
	X(PEM_read_bio_PrivateKey)                                                                 \
	X(PEM_read_bio_X509)                                                                       \
	X(X509_check_private_key)                                                                  \
	X(X509_get_issuer_name)                                                                    \
	X(X509_get0_serialNumber)                                                                  \
	X(i2d_X509)                                                                                \
	X(i2d_X509_NAME)                                                                           \
	X(i2d_ASN1_INTEGER)                                                                        \
	X(EVP_PKEY_get_base_id)                                                                    \
	X(EVP_PKEY_get_bits)                                                                       \
	X(EVP_MD_CTX_new)                                                                          \
	X(EVP_MD_CTX_free)                                                                         \
	X(EVP_sha256)                                                                              \
	X(EVP_DigestSignInit)                                                                      \
	X(EVP_DigestSign)                                                                          \
	X(EVP_PKEY_free)                                                                           \
	X(X509_free)                                                                               \
	X(CRYPTO_free)

static struct {
	FNS(UNI_LAZY_FIELD)
} lib;

static int load(struct uni_err *err)
{
	static const char *const names[] = { FNS(UNI_LAZY_NAME) };

	return uni_lazy_load("libcrypto.so.3", names, UNI_COUNT(names), &lib, err);
}

/* --- DER --- */

enum {
	DER_INTEGER = 0x02,
	DER_OCTETS = 0x04,
	DER_OID = 0x06,
	DER_SEQUENCE = 0x30,
	DER_SET = 0x31,
	DER_CONTEXT_0 = 0xa0,
};

static void der_add(struct uni_buf *out, uint8_t tag, const void *data, size_t size)
{
	uint8_t head[6] = { tag };
	size_t used = 1;

	if (size < 0x80) {
		head[used++] = (uint8_t)size;
	} else {
		unsigned bytes = size < 0x100 ? 1 : size < 0x10000 ? 2 : 3;

		head[used++] = (uint8_t)(0x80 | bytes);
		while (bytes-- != 0)
			head[used++] = (uint8_t)(size >> (8 * bytes));
	}
	uni_buf_add(out, head, used);
	uni_buf_add(out, data, size);
}

/* Puts what is in `buf` into one element. */
static void der_wrap(struct uni_buf *buf, uint8_t tag)
{
	struct uni_buf out = UNI_BUF_INIT;

	der_add(&out, tag, uni_buf_text(buf), buf->size);
	uni_buf_free(buf);
	*buf = out;
}

static void der_move(struct uni_buf *out, struct uni_buf *from)
{
	uni_buf_add(out, uni_buf_text(from), from->size);
	uni_buf_free(from);
}

static const uint8_t oid_signed_data[] = { 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02 };
static const uint8_t oid_content_type[] = { 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x03 };
static const uint8_t oid_message_digest[] = {
	0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x04
};
static const uint8_t oid_indirect_data[] = { 0x2b, 0x06, 0x01, 0x04, 0x01,
					     0x82, 0x37, 0x02, 0x01, 0x04 };
/* AlgorithmIdentifiers, with their NULL parameters. */
static const uint8_t sha256_algorithm[] = { 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01,
					    0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00 };
static const uint8_t rsa_algorithm[] = { 0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86,
					 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00 };
/* SpcAttributeTypeAndOptionalValue: SPC_PE_IMAGE_DATAOBJ, no flags, an empty file name. */
static const uint8_t pe_image_data[] = { 0x30, 0x17, 0x06, 0x0a, 0x2b, 0x06, 0x01, 0x04, 0x01,
					 0x82, 0x37, 0x02, 0x01, 0x0f, 0x30, 0x09, 0x03, 0x01,
					 0x00, 0xa0, 0x04, 0xa2, 0x02, 0x80, 0x00 };

/* --- what is signed --- */

/* Everything but the checksum and the directory entry of what is to be appended. */
static struct uni_digest image_digest(const struct uni_buf *file, const struct pe *pe)
{
	size_t first = pe->checksum + 4, second = pe->certificates + 8;
	struct uni_hash hash;

	uni_hash_start(&hash);
	uni_hash_add(&hash, file->data, pe->checksum);
	uni_hash_add(&hash, file->data + first, pe->certificates - first);
	uni_hash_add(&hash, file->data + second, file->size - second);
	return uni_hash_end(&hash);
}

/* SpcIndirectDataContent, without its own tag and length: so it is hashed. */
static void indirect_data(const struct uni_digest *digest, struct uni_buf *out)
{
	struct uni_buf info = UNI_BUF_INIT;

	uni_buf_add(&info, sha256_algorithm, sizeof(sha256_algorithm));
	der_add(&info, DER_OCTETS, digest->bytes, sizeof(digest->bytes));
	der_wrap(&info, DER_SEQUENCE);
	uni_buf_add(out, pe_image_data, sizeof(pe_image_data));
	der_move(out, &info);
}

static void add_attribute(struct uni_buf *out, const uint8_t *oid, size_t oid_size, uint8_t tag,
			  const uint8_t *value, size_t size)
{
	struct uni_buf attribute = UNI_BUF_INIT, set = UNI_BUF_INIT;

	der_add(&set, tag, value, size);
	der_wrap(&set, DER_SET);
	der_add(&attribute, DER_OID, oid, oid_size);
	der_move(&attribute, &set);
	der_wrap(&attribute, DER_SEQUENCE);
	der_move(out, &attribute);
}

/* In the order in which DER wants the members of a set. */
static void attributes(const struct uni_buf *content, struct uni_buf *out)
{
	struct uni_digest digest = uni_digest_of(content->data, content->size);

	add_attribute(out, oid_content_type, sizeof(oid_content_type), DER_OID, oid_indirect_data,
		      sizeof(oid_indirect_data));
	add_attribute(out, oid_message_digest, sizeof(oid_message_digest), DER_OCTETS, digest.bytes,
		      sizeof(digest.bytes));
}

/* --- key and certificate --- */

struct signer {
	EVP_PKEY *key;
	X509 *certificate;
};

static void signer_free(struct signer *signer)
{
	if (signer->key != NULL)
		lib.EVP_PKEY_free(signer->key);
	if (signer->certificate != NULL)
		lib.X509_free(signer->certificate);
}

static int no_passphrase(char *to, int room, int writing, void *user)
{
	(void)to;
	(void)room;
	(void)writing;
	(void)user;
	return -1;
}

static BIO *open_pem(const struct uni_buf *pem)
{
	return pem->size <= INT32_MAX ? lib.BIO_new_mem_buf(uni_buf_text(pem), (int)pem->size)
				      : NULL;
}

static int signer_open(struct signer *signer, const struct uni_buf *key,
		       const struct uni_buf *certificate, struct uni_err *err)
{
	BIO *bio = open_pem(key);

	if (bio != NULL) {
		signer->key = lib.PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);
		lib.BIO_free(bio);
	}
	bio = open_pem(certificate);
	if (bio != NULL) {
		signer->certificate = lib.PEM_read_bio_X509(bio, NULL, no_passphrase, NULL);
		lib.BIO_free(bio);
	}
	if (signer->key == NULL)
		return uni_err_set(err, UNI_E_INVAL,
				   "the key is no PEM private key without a passphrase");
	if (signer->certificate == NULL)
		return uni_err_set(err, UNI_E_INVAL, "the certificate is not one in PEM form");
	if (lib.EVP_PKEY_get_base_id(signer->key) != EVP_PKEY_RSA ||
	    lib.EVP_PKEY_get_bits(signer->key) < KEY_BITS_LEAST)
		return uni_err_set(err, UNI_E_INVAL, "the key is not RSA of at least %d bits",
				   KEY_BITS_LEAST);
	if (lib.X509_check_private_key(signer->certificate, signer->key) != 1)
		return uni_err_set(err, UNI_E_INVAL, "key and certificate do not belong together");
	return 0;
}

static int failed(struct uni_err *err)
{
	return uni_err_set(err, UNI_E_INVAL, "libcrypto cannot sign with this key and certificate");
}

/* An i2d function gave `size` bytes at `der`. */
static int take_der(struct uni_buf *out, int size, unsigned char *der, struct uni_err *err)
{
	if (size <= 0)
		return failed(err);
	uni_buf_add(out, der, (size_t)size);
	lib.CRYPTO_free(der, "", 0);
	return 0;
}

static int put_issuer(const struct signer *signer, struct uni_buf *out, struct uni_err *err)
{
	struct uni_buf id = UNI_BUF_INIT;
	unsigned char *der = NULL;
	int size = lib.i2d_X509_NAME(lib.X509_get_issuer_name(signer->certificate), &der);
	int rc = take_der(&id, size, der, err);

	der = NULL;
	if (rc == 0) {
		size = lib.i2d_ASN1_INTEGER(lib.X509_get0_serialNumber(signer->certificate), &der);
		rc = take_der(&id, size, der, err);
	}
	der_wrap(&id, DER_SEQUENCE);
	der_move(out, &id);
	return rc;
}

static int put_signature(const struct signer *signer, const struct uni_buf *attributes_set,
			 struct uni_buf *out, struct uni_err *err)
{
	EVP_MD_CTX *context = lib.EVP_MD_CTX_new();
	const unsigned char *data = (const unsigned char *)attributes_set->data;
	uint8_t signature[2048]; /* RSA of 16384 bits */
	size_t size = sizeof(signature);
	int good = context != NULL &&
		   lib.EVP_DigestSignInit(context, NULL, lib.EVP_sha256(), NULL, signer->key) == 1;

	good = good &&
	       lib.EVP_DigestSign(context, signature, &size, data, attributes_set->size) == 1;
	lib.EVP_MD_CTX_free(context);
	if (!good)
		return failed(err);
	der_add(out, DER_OCTETS, signature, size);
	return 0;
}

/* --- the message --- */

static const uint8_t version_1[] = { DER_INTEGER, 1, 1 };

static int signer_info(const struct signer *signer, const struct uni_buf *content,
		       struct uni_buf *out, struct uni_err *err)
{
	UNI_AUTO_BUF struct uni_buf signed_set = UNI_BUF_INIT;
	struct uni_buf info = UNI_BUF_INIT, own = UNI_BUF_INIT;
	int rc;

	attributes(content, &signed_set);
	der_add(&own, DER_CONTEXT_0, signed_set.data, signed_set.size);
	der_wrap(&signed_set, DER_SET); /* what is signed has its real tag, what is stored [0] */
	uni_buf_add(&info, version_1, sizeof(version_1));
	rc = put_issuer(signer, &info, err);
	uni_buf_add(&info, sha256_algorithm, sizeof(sha256_algorithm));
	der_move(&info, &own);
	uni_buf_add(&info, rsa_algorithm, sizeof(rsa_algorithm));
	if (rc == 0)
		rc = put_signature(signer, &signed_set, &info, err);
	der_wrap(&info, DER_SEQUENCE);
	der_wrap(&info, DER_SET);
	der_move(out, &info);
	return rc;
}

static int put_certificate(const struct signer *signer, struct uni_buf *out, struct uni_err *err)
{
	struct uni_buf certificate = UNI_BUF_INIT;
	unsigned char *der = NULL;
	int size = lib.i2d_X509(signer->certificate, &der);
	int rc = take_der(&certificate, size, der, err);

	der_wrap(&certificate, DER_CONTEXT_0);
	der_move(out, &certificate);
	return rc;
}

static int signed_data(const struct signer *signer, const struct uni_buf *content,
		       struct uni_buf *out, struct uni_err *err)
{
	struct uni_buf info = UNI_BUF_INIT, inner = UNI_BUF_INIT;
	int rc;

	der_add(&info, DER_OID, oid_indirect_data, sizeof(oid_indirect_data));
	der_add(&inner, DER_SEQUENCE, content->data, content->size);
	der_wrap(&inner, DER_CONTEXT_0);
	der_move(&info, &inner);
	der_wrap(&info, DER_SEQUENCE);

	uni_buf_add(&inner, version_1, sizeof(version_1));
	der_add(&inner, DER_SET, sha256_algorithm, sizeof(sha256_algorithm));
	der_move(&inner, &info);
	rc = put_certificate(signer, &inner, err);
	if (rc == 0)
		rc = signer_info(signer, content, &inner, err);
	der_wrap(&inner, DER_SEQUENCE);
	der_wrap(&inner, DER_CONTEXT_0);
	der_add(out, DER_OID, oid_signed_data, sizeof(oid_signed_data));
	der_move(out, &inner);
	der_wrap(out, DER_SEQUENCE);
	return rc;
}

/* WIN_CERTIFICATE, behind the file, and its place in the headers. */
static void append(struct uni_buf *file, const struct pe *pe, const struct uni_buf *message)
{
	size_t at = file->size, size = WIN_CERTIFICATE_SIZE + message->size;
	uint8_t head[WIN_CERTIFICATE_SIZE] = { 0 };
	uint32_t length = htole32((uint32_t)size);

	memcpy(head, &length, sizeof(length));
	head[5] = WIN_CERT_REVISION >> 8;
	head[6] = WIN_CERT_PKCS;
	uni_buf_add(file, head, sizeof(head));
	uni_buf_add(file, message->data, message->size);
	uni_buf_pad(file,
		    (file->size + CERTIFICATE_ALIGN - 1) / CERTIFICATE_ALIGN * CERTIFICATE_ALIGN);
	pe_put32(file, pe->certificates, (uint32_t)at);
	pe_put32(file, pe->certificates + 4, (uint32_t)(file->size - at));
	pe_update_checksum(file, pe);
}

int uni_efi_sign(struct uni_buf *loader, const char *name, const struct uni_buf *key,
		 const struct uni_buf *certificate, struct uni_err *err)
{
	UNI_AUTO_BUF struct uni_buf content = UNI_BUF_INIT, message = UNI_BUF_INIT;
	struct signer signer = { .key = NULL };
	struct uni_digest digest;
	struct pe pe;
	int rc = pe_read(loader, name, &pe, err);

	if (rc == 0 && (pe.end != loader->size || pe.end % CERTIFICATE_ALIGN != 0))
		rc = uni_err_set(err, UNI_E_INVAL, "%s: has something behind its sections", name);
	if (rc == 0)
		rc = load(err);
	if (rc != 0)
		return rc;
	rc = signer_open(&signer, key, certificate, err);
	if (rc == 0) {
		digest = image_digest(loader, &pe);
		indirect_data(&digest, &content);
		rc = signed_data(&signer, &content, &message, err);
	}
	if (rc == 0)
		append(loader, &pe, &message);
	signer_free(&signer);
	return rc;
}
