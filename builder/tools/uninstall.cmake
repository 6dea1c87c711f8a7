# Removes what the last cmake --install put in place.
if(NOT EXISTS ${MANIFEST})
	message(FATAL_ERROR "nothing was installed from this build: ${MANIFEST} does not exist")
endif()
file(STRINGS ${MANIFEST} files)
foreach(file IN LISTS files)
	file(REMOVE "$ENV{DESTDIR}${file}")
endforeach()
