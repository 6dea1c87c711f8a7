/*
 * How lwIP is built into the kernel: its raw interface alone, called under one lock (net/net.c),
 * memory from the kernel's own allocator, windows large enough for a gigabit path of a few
 * milliseconds.
 */
#ifndef UK_LWIPOPTS_H
#define UK_LWIPOPTS_H

#include <uk/mem.h>
#include <uk/types.h>

#define NO_SYS 1
#define SYS_LIGHTWEIGHT_PROT 0
#define LWIP_SOCKET 0
#define LWIP_NETCONN 0
#define LWIP_TIMERS 1

#define MEM_ALIGNMENT 8
#define MEM_LIBC_MALLOC 1
#define MEMP_MEM_MALLOC 1
void *uk_lwip_calloc(size_t count, size_t size);
#define mem_clib_malloc uk_alloc
#define mem_clib_calloc uk_lwip_calloc
#define mem_clib_free uk_free

#define LWIP_IPV4 1
#define LWIP_IPV6 1
#define LWIP_IGMP 1
#define LWIP_LOOPIF_MULTICAST 1
#define LWIP_ARP 1
#define ARP_QUEUEING 1
#define ARP_QUEUE_LEN 48 /* the fragments of a large datagram wait together */
#define ARP_TABLE_SIZE 127
#define LWIP_ND6_NUM_NEIGHBORS 64
#define LWIP_ND6_NUM_DESTINATIONS 64
#define LWIP_ICMP 1
#define LWIP_ICMP6 1
#define LWIP_RAW 0
#define LWIP_DHCP 1
#define DHCP_DOES_ARP_CHECK 0
#define LWIP_DHCP_DOES_ACD_CHECK 0
#define LWIP_DHCP_PROVIDE_DNS_SERVERS 1
#define LWIP_DNS 0
#define DNS_MAX_SERVERS 3
#define LWIP_UDP 1
#define LWIP_TCP 1
#define LWIP_IPV6_DHCP6 0
#define LWIP_IPV6_AUTOCONFIG 1
#define IP_REASSEMBLY 1
#define IP_REASS_MAX_PBUFS 64
#define IP_FRAG 1
#define LWIP_IPV6_FRAG 1
#define LWIP_IPV6_REASS 1
#define IP_FORWARD 0
#define IP_SOF_BROADCAST 1
#define LWIP_NETIF_HOSTNAME 1
#define LWIP_NETIF_LOOPBACK 1
#define LWIP_HAVE_LOOPIF 1
#define LWIP_LOOPBACK_MAX_PBUFS 4096
#define LWIP_NETIF_LINK_CALLBACK 0
#define LWIP_NETIF_STATUS_CALLBACK 1
#define LWIP_CHECKSUM_CTRL_PER_NETIF 1
#define LWIP_CHKSUM uk_lwip_checksum
uint16_t uk_lwip_checksum(const void *data, int size);
#define LWIP_NETIF_TX_SINGLE_PBUF 0
#define LWIP_SUPPORT_CUSTOM_PBUF 1
#define PBUF_POOL_SIZE 0
#define PBUF_LINK_HLEN 14
#define PBUF_POOL_BUFSIZE 1536
#define ETH_PAD_SIZE 0

/* Of loopback; a device's frames bring it down. */
#define TCP_MSS 16000
#define LWIP_WND_SCALE 1
#define TCP_RCV_SCALE 4
#define TCP_WND (256 * 1024)
#define TCP_SND_BUF (512 * 1024)
#define TCP_SND_QUEUELEN 2000
#define MEMP_NUM_TCP_SEG 4000
#define TCP_SNDLOWAT 1024 /* not used: net/tcp_data.c has its own */
#define TCP_OVERSIZE 0
#define TCP_LISTEN_BACKLOG 1
#define TCP_DEFAULT_LISTEN_BACKLOG 255
#define TCP_QUEUE_OOSEQ 1
#define TCP_OOSEQ_MAX_PBUFS 256
#define LWIP_TCP_SACK_OUT 1
#define LWIP_TCP_TIMESTAMPS 0
#define LWIP_TCP_KEEPALIVE 1
#define LWIP_TCP_MAX_SACK_NUM 4
#define TCP_TMR_INTERVAL 250
#define TCP_MSL 15000u
#define SO_REUSE 1
#define SO_REUSE_RXTOALL 1
#define LWIP_CALLBACK_API 1

#define LWIP_STATS 0
#define LWIP_NOASSERT 0
#define LWIP_ERROR_CHECK 1
#define LWIP_RAND() uk_lwip_random()
uint32_t uk_lwip_random(void);

struct ip_addr;
#define LWIP_HOOK_FILENAME <net/hooks.h>
#define LWIP_HOOK_TCP_ISN uk_lwip_isn
#define LWIP_HOOK_TCP_INPACKET_PCB uk_lwip_tcp_input
#define LWIP_HOOK_IP4_INPUT uk_lwip_ip4_input
#define LWIP_HOOK_IP6_INPUT uk_lwip_ip6_input

#endif
