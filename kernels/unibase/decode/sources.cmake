# Decompressors from Debian's source packages (kernels/sources.list), unchanged, for size: one variant of
# each inner loop, no assembly, no error texts. Used by the kernel and by the tests that run it on the host.
# Sets decode_sources and decode_includes.
set(zstd ${UNI_SOURCES_DIR}/libzstd-1.5.4+dfsg2/lib)
set(lz4 ${UNI_SOURCES_DIR}/lz4-1.9.4/lib)
set(deflate ${UNI_SOURCES_DIR}/libdeflate-1.14)
set(decode_sources
	${zstd}/common/entropy_common.c ${zstd}/common/error_private.c ${zstd}/common/fse_decompress.c
	${zstd}/common/xxhash.c ${zstd}/common/zstd_common.c ${zstd}/decompress/huf_decompress.c
	${zstd}/decompress/zstd_ddict.c ${zstd}/decompress/zstd_decompress.c
	${zstd}/decompress/zstd_decompress_block.c ${lz4}/lz4.c
	${deflate}/lib/adler32.c ${deflate}/lib/deflate_decompress.c ${deflate}/lib/zlib_decompress.c)
set(decode_includes ${zstd} ${lz4} ${deflate})
set(decode_options -w -Os -fvisibility=hidden -DZSTD_LEGACY_SUPPORT=0 -DZSTD_DISABLE_ASM=1 -DDYNAMIC_BMI2=0
	-DHUF_FORCE_DECOMPRESS_X1 -DZSTD_FORCE_DECOMPRESS_SEQUENCES_SHORT -DZSTD_NO_INTRINSICS
	-DZSTD_STRIP_ERROR_STRINGS -DZSTD_NO_TRACE -DXXH_NAMESPACE=ZSTD_ -DDEBUGLEVEL=0)
set(decode_deflate_options ${decode_options} -include ${CMAKE_CURRENT_LIST_DIR}/no_dispatch.h)

# uni_decode(TARGET GZIP_TARGET): compiles them into targets; gzip's may be left out of a kernel.
function(uni_decode target gzip_target)
	set(deflate_sources ${decode_sources})
	list(FILTER deflate_sources INCLUDE REGEX "libdeflate")
	set(other_sources ${decode_sources})
	list(REMOVE_ITEM other_sources ${deflate_sources})
	target_sources(${target} PRIVATE ${other_sources})
	target_sources(${gzip_target} PRIVATE ${deflate_sources})
	set_source_files_properties(${decode_sources} TARGET_DIRECTORY ${target} PROPERTIES
		COMPILE_OPTIONS "${decode_options}")
	set_source_files_properties(${deflate_sources} TARGET_DIRECTORY ${target} PROPERTIES
		COMPILE_OPTIONS "${decode_deflate_options}")
	# The inner loops: twice as fast (under QEMU's translation too) for twelve kilobytes.
	set(hot_sources ${decode_sources})
	list(FILTER hot_sources INCLUDE REGEX "huf_decompress|decompress_block|lz4\\.c|deflate_decompress")
	set_property(SOURCE ${hot_sources} TARGET_DIRECTORY ${target} APPEND PROPERTY
		COMPILE_OPTIONS -O2 -fomit-frame-pointer)
endfunction()
