/*
 * Checking Ed25519 signatures (RFC 8032, section 5.1.7, without cofactor). Numbers modulo 2^255 -
 * 19 in five limbs of 51 bits; points in extended coordinates with the one addition that is
 * complete, so that doubling and the neutral element are no special cases. Small rather than fast:
 * a signature is checked when content changes.
 */
#include <uk/ed25519.h>

enum { LIMBS = 5, LIMB_BITS = 51 };
#define LIMB_MASK ((1ull << LIMB_BITS) - 1)

struct fe {
	uint64_t v[LIMBS];
};

struct point {
	struct fe x, y, z, t; /* x = X/Z, y = Y/Z, xy = T/Z */
};

static const struct fe one = { { 1 } };
static const struct fe curve_d = { { 0x34dca135978a3ull, 0x1a8283b156ebdull, 0x5e7a26001c029ull,
				     0x739c663a03cbbull, 0x52036cee2b6ffull } };
static const struct fe curve_2d = { { 0x69b9426b2f159ull, 0x35050762add7aull, 0x3cf44c0038052ull,
				      0x6738cc7407977ull, 0x2406d9dc56dffull } };
static const struct fe root_of_minus_one = { { 0x61b274a0ea0b0ull, 0xd5a5fc8f189dull,
					       0x7ef5e9cbd0c60ull, 0x78595a6804c9eull,
					       0x2b8324804fc1dull } };
/* The order of the base point. */
static const uint64_t order[4] = { 0x5812631a5cf5d3edull, 0x14def9dea2f79cd6ull,
				   0x0000000000000000ull, 0x1000000000000000ull };
/* y = 4/5, x positive. */
static const uint8_t base_encoded[32] = {
	0x58, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66,
	0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66,
	0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66,
};

/* Limbs back below 2^52. */
static void carry(struct fe *a)
{
	for (unsigned i = 0; i < LIMBS; i++) {
		uint64_t over = a->v[i] >> LIMB_BITS;

		a->v[i] &= LIMB_MASK;
		if (i + 1 < LIMBS)
			a->v[i + 1] += over;
		else
			a->v[0] += over * 19;
	}
}

static struct fe add(const struct fe *a, const struct fe *b)
{
	struct fe r;

	for (unsigned i = 0; i < LIMBS; i++)
		r.v[i] = a->v[i] + b->v[i];
	carry(&r);
	return r;
}

/* a - b + 4p */
static struct fe subtract(const struct fe *a, const struct fe *b)
{
	struct fe r;

	for (unsigned i = 0; i < LIMBS; i++)
		r.v[i] = a->v[i] + 4 * (LIMB_MASK - (i == 0 ? 18 : 0)) - b->v[i];
	carry(&r);
	return r;
}

static struct fe multiply(const struct fe *a, const struct fe *b)
{
	unsigned __int128 sum[LIMBS] = { 0 };
	struct fe r;

	for (unsigned i = 0; i < LIMBS; i++)
		for (unsigned k = 0; k < LIMBS; k++) {
			uint64_t factor = i + k >= LIMBS ? 19 * b->v[k] : b->v[k];

			sum[(i + k) % LIMBS] += (unsigned __int128)a->v[i] * factor;
		}
	for (unsigned i = 0; i < LIMBS; i++) {
		r.v[i] = (uint64_t)sum[i] & LIMB_MASK;
		if (i + 1 < LIMBS)
			sum[i + 1] += sum[i] >> LIMB_BITS;
	}
	r.v[0] += (uint64_t)(sum[LIMBS - 1] >> LIMB_BITS) * 19;
	carry(&r);
	return r;
}

/* a to the power 2^bits - less: all the exponents that are needed are of this kind. */
static struct fe power(const struct fe *a, unsigned bits, unsigned less)
{
	struct fe r = one;

	/* Of 2^bits - less, bits from 8 on are all set. */
	for (unsigned i = bits; i-- > 0;) {
		r = multiply(&r, &r);
		if (i >= 8 || ((256 - less) >> i & 1) != 0)
			r = multiply(&r, a);
	}
	return r;
}

/* The one encoding of a number: below p. */
static void encode_number(const struct fe *a, uint8_t out[32])
{
	struct fe r = *a;
	uint64_t words[4];

	carry(&r);
	carry(&r);
	/* r + 19 carries into bit 255 exactly when r >= p; then r - p is r + 19 without that bit.
	 */
	for (unsigned pass = 0; pass < 2; pass++) {
		struct fe t = r;
		uint64_t over = 19;

		for (unsigned i = 0; i < LIMBS; i++) {
			t.v[i] += over;
			over = t.v[i] >> LIMB_BITS;
			t.v[i] &= LIMB_MASK;
		}
		if (over != 0)
			r = t;
	}
	words[0] = r.v[0] | r.v[1] << 51;
	words[1] = r.v[1] >> 13 | r.v[2] << 38;
	words[2] = r.v[2] >> 26 | r.v[3] << 25;
	words[3] = r.v[3] >> 39 | r.v[4] << 12;
	memcpy(out, words, sizeof(words));
}

static struct fe decode_number(const uint8_t in[32])
{
	uint64_t w[4];
	struct fe r;

	memcpy(w, in, sizeof(w));
	r.v[0] = w[0] & LIMB_MASK;
	r.v[1] = (w[0] >> 51 | w[1] << 13) & LIMB_MASK;
	r.v[2] = (w[1] >> 38 | w[2] << 26) & LIMB_MASK;
	r.v[3] = (w[2] >> 25 | w[3] << 39) & LIMB_MASK;
	r.v[4] = w[3] >> 12 & LIMB_MASK;
	return r;
}

static bool equal(const struct fe *a, const struct fe *b)
{
	uint8_t x[32], y[32];

	encode_number(a, x);
	encode_number(b, y);
	return memcmp(x, y, sizeof(x)) == 0;
}

static bool is_odd(const struct fe *a)
{
	uint8_t x[32];

	encode_number(a, x);
	return (x[0] & 1) != 0;
}

static struct fe negate(const struct fe *a)
{
	const struct fe zero = { { 0 } };

	return subtract(&zero, a);
}

/* x of the curve's equation: a root of (y^2 - 1) / (d y^2 + 1). */
static bool find_x(const struct fe *y, struct fe *x)
{
	struct fe yy = multiply(y, y), u = subtract(&yy, &one), v = multiply(&curve_d, &yy), t,
		  minus;

	v = add(&v, &one);
	t = multiply(&v, &v);
	t = multiply(&t, &v); /* v^3 */
	*x = multiply(&u, &t);
	t = multiply(&t, &t);
	t = multiply(&t, &v); /* v^7 */
	t = multiply(&t, &u);
	t = power(&t, 252, 3); /* (p - 5) / 8 */
	*x = multiply(x, &t);
	t = multiply(x, x);
	t = multiply(&t, &v);
	if (equal(&t, &u))
		return true;
	minus = negate(&u);
	*x = multiply(x, &root_of_minus_one);
	return equal(&t, &minus);
}

static bool decode_point(const uint8_t in[32], struct point *p)
{
	const struct fe zero = { { 0 } };
	bool odd = (in[31] & 0x80) != 0;
	uint8_t again[32];

	p->y = decode_number(in);
	encode_number(&p->y, again);
	again[31] |= in[31] & 0x80;
	/* A number has one encoding, and 0 no sign. */
	if (memcmp(again, in, sizeof(again)) != 0 || !find_x(&p->y, &p->x) ||
	    (odd && equal(&p->x, &zero)))
		return false;
	if (is_odd(&p->x) != odd)
		p->x = negate(&p->x);
	p->z = one;
	p->t = multiply(&p->x, &p->y);
	return true;
}

static void add_point(struct point *p, const struct point *q)
{
	struct fe a, b, c, d, e, f, g, h, other;

	a = subtract(&p->y, &p->x);
	other = subtract(&q->y, &q->x);
	a = multiply(&a, &other);
	b = add(&p->y, &p->x);
	other = add(&q->y, &q->x);
	b = multiply(&b, &other);
	c = multiply(&p->t, &q->t);
	c = multiply(&c, &curve_2d);
	d = multiply(&p->z, &q->z);
	d = add(&d, &d);
	e = subtract(&b, &a);
	f = subtract(&d, &c);
	g = add(&d, &c);
	h = add(&b, &a);
	p->x = multiply(&e, &f);
	p->y = multiply(&g, &h);
	p->t = multiply(&e, &h);
	p->z = multiply(&f, &g);
}

static void encode_point(const struct point *p, uint8_t out[32])
{
	struct fe inverse = power(&p->z, 255, 21); /* p - 2 */
	struct fe x = multiply(&p->x, &inverse), y = multiply(&p->y, &inverse);

	encode_number(&y, out);
	out[31] |= is_odd(&x) ? 0x80 : 0;
}

static bool below_order(const uint64_t a[4])
{
	for (unsigned i = 4; i-- > 0;)
		if (a[i] != order[i])
			return a[i] < order[i];
	return false;
}

/* 64 bytes modulo the order, bit by bit. */
static void reduce(const uint8_t in[64], uint64_t out[4])
{
	memset(out, 0, 4 * sizeof(*out));
	for (unsigned bit = 512; bit-- > 0;) {
		uint64_t borrow = 0;

		for (unsigned i = 4; i-- > 1;)
			out[i] = out[i] << 1 | out[i - 1] >> 63;
		out[0] = out[0] << 1 | (in[bit / 8] >> bit % 8 & 1);
		if (below_order(out))
			continue;
		for (unsigned i = 0; i < 4; i++) {
			uint64_t before = out[i], less = order[i] + borrow;

			borrow = less < borrow || before < less;
			out[i] = before - less;
		}
	}
}

bool uk_ed25519_verify(const uint8_t key[32], const void *message, size_t size,
		       const uint8_t signature[64])
{
	const struct uk_piece pieces[3] = { { signature, 32 }, { key, 32 }, { message, size } };
	struct point a, base, sum = { .y = one, .z = one };
	uint64_t s[4], h[4];
	uint8_t digest[64], r[32];

	memcpy(s, signature + 32, sizeof(s));
	if (!below_order(s) || !decode_point(key, &a) || !decode_point(base_encoded, &base))
		return false;
	uk_sha512(pieces, 3, digest);
	reduce(digest, h);
	a.x = negate(&a.x);
	a.t = negate(&a.t);
	/* [s]B - [h]A, both at once. */
	for (unsigned bit = 256; bit-- > 0;) {
		struct point twice = sum;

		add_point(&sum, &twice);
		if ((s[bit / 64] >> bit % 64 & 1) != 0)
			add_point(&sum, &base);
		if ((h[bit / 64] >> bit % 64 & 1) != 0)
			add_point(&sum, &a);
	}
	encode_point(&sum, r);
	return memcmp(r, signature, sizeof(r)) == 0;
}
