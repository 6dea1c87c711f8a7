/*
 * How an image lies in a registry (OCI Image Specification 1.1, artifacts).
 *
 * A disk is its parts: what lies before the first partition, each partition, what lies between and
 * behind them. Each is a layer with the place where it belongs, so that a changed volume is a
 * changed layer. A part of zeros is left out. All other files are one layer.
 */
#ifndef DEST_OCI_H
#define DEST_OCI_H

#define OCI_DISK_TYPE "application/vnd.uni.disk.v1"
#define OCI_FILE_TYPE "application/vnd.uni.file.v1"
#define OCI_PACKAGE_TYPE "application/vnd.uni.package.v1"
#define OCI_PART_TYPE "application/vnd.uni.disk.part.v1"
#define OCI_BYTES_TYPE "application/octet-stream"

#define OCI_OFFSET "uni.offset"	 /* of a part: bytes from the disk's start */
#define OCI_SIZE "uni.disk.size" /* of the manifest: bytes of the disk */
#define OCI_DIGEST "uni.digest"	 /* of the manifest: of the file that was pushed */

#endif
