// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Stores of CA certificates: the system's, one for the process, and those of
 * CA files. Each is parsed once and again when its files have changed; a
 * handshake holds a reference to the list it verifies against.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "internal.h"

/* One parsed list. */
struct quic_trust {
	unsigned int		refs;
	gnutls_x509_trust_list_t list;
};

struct quic_file_stamp {
	dev_t			dev;
	ino_t			ino;
	off_t			size;
	struct timespec		mtime;
};

/*
 * Where distributions keep the system's store. GnuTLS knows which of them it
 * was built for, but does not tell; a change of any makes us parse again.
 */
static const char *const quic_system_paths[] = {
	"/etc/ssl/certs/ca-certificates.crt",
	"/etc/ssl/certs/ca-bundle.crt",
	"/etc/ssl/ca-bundle.pem",
	"/etc/ssl/cert.pem",
	"/etc/ssl/certs",
	"/etc/pki/tls/certs/ca-bundle.crt",
	"/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
	"/etc/ca-certificates/extracted/tls-ca-bundle.pem",
	"/var/lib/ca-certificates/ca-bundle.pem",
};

#define QUIC_SYSTEM_PATHS \
	(sizeof(quic_system_paths) / sizeof(quic_system_paths[0]))

struct quic_trust_source {
	pthread_mutex_t		lock;	/* guards all below but ca_file */
	char			*ca_file;	/* NULL: the system's store */
	struct quic_trust	*current;
	struct quic_file_stamp	stamps[QUIC_SYSTEM_PATHS];
};

static struct quic_trust_source quic_system_source = {
	.lock = PTHREAD_MUTEX_INITIALIZER,
};

struct quic_trust_source *quic_trust_source_system(void)
{
	return &quic_system_source;
}

static void quic_file_stamp_get(const char *path, struct quic_file_stamp *stamp)
{
	struct stat st;

	memset(stamp, 0, sizeof(*stamp));
	if (stat(path, &st))
		return;
	stamp->dev = st.st_dev;
	stamp->ino = st.st_ino;
	stamp->size = st.st_size;
	stamp->mtime = st.st_mtim;
}

static void quic_source_stamp(const struct quic_trust_source *source,
			      struct quic_file_stamp *stamps)
{
	size_t i;

	if (source->ca_file) {
		memset(stamps, 0, QUIC_SYSTEM_PATHS * sizeof(*stamps));
		quic_file_stamp_get(source->ca_file, &stamps[0]);
		return;
	}
	for (i = 0; i < QUIC_SYSTEM_PATHS; i++)
		quic_file_stamp_get(quic_system_paths[i], &stamps[i]);
}

static int quic_trust_load(const char *ca_file, struct quic_trust **out)
{
	struct quic_trust *trust;
	int ret;

	trust = calloc(1, sizeof(*trust));
	if (!trust)
		return -ENOMEM;
	trust->refs = 1;
	ret = gnutls_x509_trust_list_init(&trust->list, 0);
	if (ret) {
		free(trust);
		return quic_error_from_tls(ret);
	}
	if (ca_file) {
		ret = gnutls_x509_trust_list_add_trust_file(trust->list, ca_file,
							    NULL,
							    GNUTLS_X509_FMT_PEM,
							    0, 0);
		if (ret == GNUTLS_E_FILE_ERROR)
			ret = errno ? -errno : -ENOENT;
		else if (ret <= 0)
			ret = QUIC_ERR_CREDENTIALS;
	} else {
		/* a machine without a store trusts nobody; that is no error */
		ret = gnutls_x509_trust_list_add_system_trust(trust->list, 0, 0);
		if (ret < 0)
			ret = 0;
	}
	if (ret < 0) {
		gnutls_x509_trust_list_deinit(trust->list, 1);
		free(trust);
		return ret;
	}
	*out = trust;
	return 0;
}

void quic_trust_put(struct quic_trust *trust)
{
	if (!trust || __atomic_sub_fetch(&trust->refs, 1, __ATOMIC_ACQ_REL))
		return;
	gnutls_x509_trust_list_deinit(trust->list, 1);
	free(trust);
}

/*
 * A reference to the current list, parsed anew if the files changed. When the
 * new files cannot be read the old list stays in force.
 */
int quic_trust_get(struct quic_trust_source *source, struct quic_trust **out)
{
	struct quic_file_stamp stamps[QUIC_SYSTEM_PATHS];
	struct quic_trust *fresh = NULL;
	int ret = 0;

	pthread_mutex_lock(&source->lock);
	quic_source_stamp(source, stamps);
	if (!source->current ||
	    memcmp(stamps, source->stamps, sizeof(stamps))) {
		ret = quic_trust_load(source->ca_file, &fresh);
		if (!ret) {
			quic_trust_put(source->current);
			source->current = fresh;
			memcpy(source->stamps, stamps, sizeof(stamps));
		} else if (source->current) {
			ret = 0;
		}
	}
	if (!ret) {
		__atomic_add_fetch(&source->current->refs, 1, __ATOMIC_ACQ_REL);
		*out = source->current;
	}
	pthread_mutex_unlock(&source->lock);
	return ret;
}

gnutls_x509_trust_list_t quic_trust_list(const struct quic_trust *trust)
{
	return trust->list;
}

int quic_trust_source_create(const char *ca_file,
			     struct quic_trust_source **out)
{
	struct quic_trust_source *source;
	struct quic_trust *trust;
	int ret;

	source = calloc(1, sizeof(*source));
	if (!source)
		return -ENOMEM;
	pthread_mutex_init(&source->lock, NULL);
	source->ca_file = strdup(ca_file);
	if (!source->ca_file) {
		quic_trust_source_destroy(source);
		return -ENOMEM;
	}
	/* tell now, and not in the first handshake, that the file is bad */
	ret = quic_trust_get(source, &trust);
	if (ret) {
		quic_trust_source_destroy(source);
		return ret;
	}
	quic_trust_put(trust);
	*out = source;
	return 0;
}

void quic_trust_source_destroy(struct quic_trust_source *source)
{
	if (!source)
		return;
	quic_trust_put(source->current);
	pthread_mutex_destroy(&source->lock);
	free(source->ca_file);
	free(source);
}

/* The process ends or unloads us: let the leak checkers find nothing. */
__attribute__((destructor)) static void quic_trust_unload(void)
{
	quic_trust_put(quic_system_source.current);
	quic_system_source.current = NULL;
}
