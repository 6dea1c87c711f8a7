# The base package's folder: everything that `uni` needs to build images on unibase, laid out as package.toml says.
# Debian's musl and gcc give the sysroot, and their licences go with it.
set(UNIBASE_VERSION 1.0.0)
set(base_dir ${CMAKE_BINARY_DIR}/packages/unibase)
set(base_source ${CMAKE_CURRENT_LIST_DIR})

function(base_find variable)
	execute_process(COMMAND ${ARGN} OUTPUT_VARIABLE found OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
	if(NOT IS_ABSOLUTE "${found}" OR NOT EXISTS "${found}")
		list(JOIN ARGN " " command)
		message(FATAL_ERROR "the base's sysroot: \"${command}\" names no file: install musl-tools and gcc")
	endif()
	set(${variable} ${found} PARENT_SCOPE)
endfunction()

# base_file(TO FROM): copied, and again when it changes. Times and modes play no part in a package.
set(base_outputs)
macro(base_file to from)
	get_filename_component(base_parent ${base_dir}/${to} DIRECTORY)
	add_custom_command(OUTPUT ${base_dir}/${to}
		COMMAND ${CMAKE_COMMAND} -E make_directory ${base_parent}
		COMMAND ${CMAKE_COMMAND} -E copy ${from} ${base_dir}/${to}
		DEPENDS ${from} VERBATIM)
	list(APPEND base_outputs ${base_dir}/${to})
endmacro()

set(musl_lib /usr/lib/x86_64-linux-musl)
foreach(name crt1.o crti.o crtn.o libc.a)
	base_find(base_from realpath -e ${musl_lib}/${name})
	base_file(sysroot/lib/${name} ${base_from})
endforeach()
foreach(name libgcc.a libgcc_eh.a)
	base_find(base_from gcc -print-file-name=${name})
	base_file(sysroot/lib/${name} ${base_from})
endforeach()
# name=Debian package that has the text; the last three are compiled into the kernel.
foreach(pair musl=musl-dev gcc=gcc-12-base zstd=libzstd-dev lz4=liblz4-dev libdeflate=libdeflate-dev)
	string(REGEX MATCH "^(.+)=(.+)$" pair ${pair})
	set(name ${CMAKE_MATCH_1})
	base_find(base_from realpath -e /usr/share/doc/${CMAKE_MATCH_2}/copyright)
	base_file(licences/${name} ${base_from})
endforeach()
base_file(licences/lwip ${UNI_SOURCES_DIR}/lwip-2.1.3+dfsg1/COPYING)
base_file(licences/unibase ${CMAKE_SOURCE_DIR}/LICENSE)
foreach(name IN LISTS unibase_kernels)
	base_file(kernel/${name}.elf ${CMAKE_RUNTIME_OUTPUT_DIRECTORY}/${unibase_kernel_${name}}.elf)
	list(APPEND base_kernel_targets ${unibase_kernel_${name}})
	# Names and frames for debuggers; lines would be of sources that a package does not bring.
	set(base_debug ${CMAKE_RUNTIME_OUTPUT_DIRECTORY}/${unibase_kernel_${name}}.debug.elf)
	add_custom_command(OUTPUT ${base_dir}/kernel/${name}.symbols
		COMMAND ${CMAKE_COMMAND} -E make_directory ${base_dir}/kernel
		COMMAND ${CMAKE_OBJCOPY} --only-keep-debug -R .debug_info -R .debug_abbrev -R .debug_aranges -R .debug_rnglists
			-R .debug_line -R .debug_line_str -R .debug_str ${base_debug} ${base_dir}/kernel/${name}.symbols
		DEPENDS ${base_debug} VERBATIM)
	list(APPEND base_outputs ${base_dir}/kernel/${name}.symbols)
endforeach()
base_file(boot/stage1.bin ${CMAKE_RUNTIME_OUTPUT_DIRECTORY}/boot/stage1.bin)
base_file(boot/stage2.bin ${CMAKE_RUNTIME_OUTPUT_DIRECTORY}/boot/stage2.bin)
base_file(boot/BOOTX64.EFI ${CMAKE_RUNTIME_OUTPUT_DIRECTORY}/boot/BOOTX64.EFI)
add_custom_command(OUTPUT ${base_dir}/calls.txt
	COMMAND python3 ${base_source}/tools/calls-page.py --table ${base_dir}/calls.txt
	DEPENDS ${base_source}/tools/calls-page.py ${base_source}/sys/table.def VERBATIM)
list(APPEND base_outputs ${base_dir}/calls.txt)
configure_file(${base_source}/base.toml.in ${base_dir}/base.toml @ONLY)
configure_file(${base_source}/package.toml.in ${base_dir}/package.toml @ONLY)

add_custom_target(unibase_package DEPENDS ${base_outputs})
add_dependencies(unibase_package ${base_kernel_targets} boot)

# The index that goes with uni: the base, and whatever other packages ./dev has made beside it.
set(index_dir ${CMAKE_BINARY_DIR}/share/uni/index)
add_custom_command(OUTPUT ${index_dir}/digests
	COMMAND ${CMAKE_COMMAND} -DUNI=$<TARGET_FILE:uni> -DBASE=${base_dir} -DOUT=${CMAKE_BINARY_DIR}/packages/out
		-DINDEX=${index_dir} -P ${base_source}/index.cmake
	DEPENDS uni ${base_outputs} ${base_dir}/package.toml ${base_source}/index.cmake VERBATIM)
add_custom_target(embedded_index ALL DEPENDS ${index_dir}/digests)
add_dependencies(embedded_index unibase_package)
install(DIRECTORY ${index_dir} DESTINATION share/uni)
