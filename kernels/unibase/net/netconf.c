/*
 * Addresses from the boot configuration or by DHCP, and name servers learnt by it. A DHCP server
 * that does not answer is said once and asked again for ever.
 */
#include <uk/log.h>
#include <uk/start.h>
#include <uk/thread.h>
#include <uk/user.h>
#include <uk/vfs.h>

#include "netconf.h"
#include "stack.h"

#include "lwip/dhcp.h"
#include "lwip/dns.h"
#include "lwip/ip6_addr.h"
#include "lwip/netif.h"

#define WAIT_FIRST_NS (4ull * 1000000000)
#define TEXT_MAX 128

static struct uk_waitq address_wait = UK_WAITQ_INIT(address_wait);
static volatile bool have_address;
static volatile bool resolvers_changed;
static ip_addr_t resolvers[DNS_MAX_SERVERS];
static char host_name[65];

bool uk_net_has_address(void)
{
	return have_address;
}

bool uk_netconf_wanted(void)
{
	const struct uni_config_entry *entry = NULL;

	while ((entry = uk_config_next(UNI_CONFIG_NETWORK, entry)) != NULL)
		if (entry->size == 4 && memcmp(uni_config_data(entry), "none", 4) == 0)
			return false;
	return true;
}

void dns_setserver(u8_t number, const ip_addr_t *server);

/* lwIP's DHCP client hands the servers it was told of to its resolver; here they go to
 * /etc/resolv.conf. */
void dns_setserver(u8_t number, const ip_addr_t *server)
{
	if (number >= DNS_MAX_SERVERS || server == NULL || ip_addr_cmp(&resolvers[number], server))
		return;
	resolvers[number] = *server;
	resolvers_changed = true;
}

void uk_netconf_settle(void)
{
	char text[DNS_MAX_SERVERS * (IPADDR_STRLEN_MAX + 16)];
	char address[IPADDR_STRLEN_MAX];
	struct uk_file *file;
	struct uk_iter it;
	uint64_t offset = 0;
	int size = 0;

	if (!resolvers_changed || uk_config_next(UNI_CONFIG_RESOLVER, NULL) != NULL)
		return;
	resolvers_changed = false;
	for (int i = 0; i < DNS_MAX_SERVERS; i++)
		if (!ip_addr_isany(&resolvers[i]) &&
		    ipaddr_ntoa_r(&resolvers[i], address, sizeof(address)) != NULL)
			size += uk_snprintf(text + size, sizeof(text) - (size_t)size,
					    "nameserver %s\n", address);
	file = uk_file_open("/etc/resolv.conf", UK_O_WRONLY | UK_O_CREAT | UK_O_TRUNC, 0644);
	if (uk_is_err(file)) {
		uk_log(UK_LOG_WARN, "/etc/resolv.conf cannot be written: %ld", uk_ptr_err(file));
		return;
	}
	uk_iter_kernel(&it, text, (size_t)size);
	(void)file->ops->write(file, &it, &offset);
	uk_file_put(file);
}

static void status_changed(struct netif *netif)
{
	char address[IPADDR_STRLEN_MAX];
	static ip4_addr_t known;

	/* lwIP calls this for every change, those of IPv6 too. */
	if (ip4_addr_isany(netif_ip4_addr(netif)) || ip4_addr_cmp(netif_ip4_addr(netif), &known))
		return;
	known = *netif_ip4_addr(netif);
	if (ipaddr_ntoa_r(netif_ip_addr4(netif), address, sizeof(address)) != NULL)
		uk_log(UK_LOG_NOTICE, "network address %s", address);
	have_address = true;
	uk_wake_all(&address_wait);
}

static bool is_text(const struct uni_config_entry *entry, const char *text)
{
	return entry->size == strlen(text) &&
	       memcmp(uni_config_data(entry), text, entry->size) == 0;
}

static void set_address4(struct netif *netif, const ip_addr_t *address, unsigned prefix,
			 const char *gateway)
{
	ip4_addr_t mask, gate;

	ip4_addr_set_u32(&mask, prefix == 0 ? 0 : lwip_htonl(~0u << (32 - prefix)));
	ip4_addr_set_zero(&gate);
	if (gateway != NULL && !ip4addr_aton(gateway, &gate))
		uk_log(UK_LOG_ERROR, "network: gateway \"%s\" is no IPv4 address", gateway);
	netif_set_addr(netif, ip_2_ip4(address), &mask, &gate);
	have_address = true;
}

static void set_address6(struct netif *netif, const ip_addr_t *address)
{
	s8_t index = -1;

	if (netif_add_ip6_address(netif, ip_2_ip6(address), &index) != ERR_OK || index < 0) {
		uk_log(UK_LOG_ERROR, "network: no room for another IPv6 address");
		return;
	}
	netif_ip6_addr_set_state(netif, index, IP6_ADDR_PREFERRED);
	have_address = true;
}

/* "ADDRESS/PREFIX[,GATEWAY]" */
static void set_static(struct netif *netif, const struct uni_config_entry *entry)
{
	char text[TEXT_MAX];
	char *slash, *comma;
	unsigned prefix = 0;
	ip_addr_t address;

	if (entry->size >= sizeof(text))
		return;
	memcpy(text, uni_config_data(entry), entry->size);
	text[entry->size] = '\0';
	comma = strchr(text, ',');
	if (comma != NULL)
		*comma++ = '\0';
	slash = strchr(text, '/');
	if (slash != NULL)
		*slash++ = '\0';
	for (const char *digit = slash;
	     digit != NULL && *digit >= '0' && *digit <= '9' && prefix <= 128; digit++)
		prefix = prefix * 10 + (unsigned)(*digit - '0');
	if (slash == NULL || !ipaddr_aton(text, &address) ||
	    prefix > (IP_IS_V6(&address) ? 128u : 32u)) {
		uk_log(UK_LOG_ERROR, "network: \"%s\" is no address with a prefix", text);
		return;
	}
	if (IP_IS_V6(&address))
		set_address6(netif, &address);
	else
		set_address4(netif, &address, prefix, comma);
}

static void set_host_name(struct netif *netif)
{
	const struct uni_config_entry *entry = uk_config_next(UNI_CONFIG_HOSTNAME, NULL);

	if (entry == NULL || entry->size >= sizeof(host_name))
		return;
	memcpy(host_name, uni_config_data(entry), entry->size);
	netif_set_hostname(netif, host_name);
}

int uk_netconf_start(struct netif *netif, const char *name)
{
	const struct uni_config_entry *entry = NULL;
	bool dhcp = uk_config_next(UNI_CONFIG_NETWORK, NULL) == NULL;

	netif_set_status_callback(netif, status_changed);
	set_host_name(netif);
	netif_create_ip6_linklocal_address(netif, 1);
	netif_set_ip6_autoconfig_enabled(netif, 1);
	while ((entry = uk_config_next(UNI_CONFIG_NETWORK, entry)) != NULL) {
		if (is_text(entry, "dhcp"))
			dhcp = true;
		else
			set_static(netif, entry);
	}
	if (dhcp && dhcp_start(netif) != ERR_OK) {
		uk_log(UK_LOG_ERROR, "%s: no memory for DHCP", name);
		return -UK_ENOMEM;
	}
	return 0;
}

void uk_netconf_wait(void)
{
	if (uk_wait_event(&address_wait, have_address, uk_time_mono() + WAIT_FIRST_NS, false) != 0)
		uk_log(UK_LOG_WARN,
		       "no answer from a DHCP server yet: the program starts without an address, "
		       "asking goes on");
	uk_netconf_settle();
}
